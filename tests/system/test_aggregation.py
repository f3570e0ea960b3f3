"""Rules and server optimisers over the real programs: what a start asks for is done, and
an optimiser's state goes with the versions, over a coordinator that is killed."""

import numpy as np
from safetensors.numpy import load, save

from fleet import WASM
from test_trajectory import VECTORS, device_folder, read_idx

NAMES = [f"proplet-{c}" for c in range(3)]


def begin(fleet, bus, counts=None):
    """counts: images of each device; None: a third"""
    images = read_idx(VECTORS / "train-images.idx3-ubyte")
    labels = read_idx(VECTORS / "train-labels.idx1-ubyte")
    initial = fleet.folder / "initial.safetensors"
    side = int(np.prod(images.shape[1:]))
    fleet.tool("models", "init", "--layers", f"{side},16,10", "--seed", "1", "-o", initial)
    fleet.manager()
    fleet.coordinator()
    fleet.model_server("--initial", initial)
    for c, name in enumerate(NAMES):
        count = None if counts is None else counts[c]
        fleet.proplet(name, device_folder(fleet.folder / "data" / name, images[c::3][:count],
                                          labels[c::3][:count], c))
    fleet.await_alive(bus, *NAMES)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "fml-train.wasm", "train")


def train(fleet, bus, n, topic, aggregation):
    done = fleet.round(bus, {
        "round_id": f"r-{n}", "model_uri": topic, "task_wasm_image": "train",
        "participants": NAMES, "k_of_n": 3, "timeout_s": 60, "aggregation": aggregation,
        "hyperparams": {"epochs": 1, "lr": 0.1, "seed": 1, "round": n}})
    assert (done["status"], done["num_updates"]) == ("completed", 3), done
    return done["model_topic"]


def version(bus, topic):
    return load(bus.wait(topic).payload)


def updates_of(bus, n):
    return [load(bus.wait(f"fl/rounds/r-{n}/updates/{name}").payload) for name in NAMES]


def test_an_optimisers_state_goes_with_the_versions(fleet, bus):
    begin(fleet, bus)
    adam = {"optimiser": {"kind": "fedadam", "rate": 0.01, "beta1": 0.9, "beta2": 0.99,
                          "tau": 0.001}}
    first = version(bus, train(fleet, bus, 1, "fl/models/global_model_v0", adam))
    fleet.programs["coordinator"].kill()
    fleet.coordinator()
    fleet.await_coordinator(bus)
    second = version(bus, train(fleet, bus, 2, "fl/models/global_model_v1", adam))

    # Reddi et al. 2021, Algorithm 2, from the updates as they passed the broker.
    own = [k for k in first if not k.startswith("optimiser.")]
    flat = lambda tensors: np.concatenate([tensors[k].ravel() for k in own]).astype(np.float64)
    counts = np.array([len(read_idx(VECTORS / "train-labels.idx1-ubyte")[c::3]) for c in range(3)])
    weights = counts / counts.sum()
    momentum, second_moment = 0.0, 0.001**2  # v begins at tau^2
    base = flat(version(bus, "fl/models/global_model_v0"))
    for n, made in ((1, first), (2, second)):
        delta = sum(w * flat(u) for w, u in zip(weights, updates_of(bus, n))) - base
        momentum = 0.9 * momentum + 0.1 * delta
        second_moment = 0.99 * second_moment + 0.01 * delta**2
        expected = base + 0.01 * momentum / (np.sqrt(second_moment) + 0.001)
        assert np.abs(flat(made) - expected).max() < 1e-4
        base = flat(made)
    assert set(own) < set(second)


def test_a_median_is_the_median_of_the_updates(fleet, bus):
    begin(fleet, bus)
    made = version(bus, train(fleet, bus, 1, "fl/models/global_model_v0", {"rule": "median"}))
    updates = updates_of(bus, 1)
    for name, tensor in made.items():
        assert np.array_equal(tensor, np.median([u[name] for u in updates], axis=0)), name


def test_fednova_weighs_by_the_steps_that_were_made(fleet, bus):
    """Wang et al. 2020: three devices with few, more and most images, so 1, 3 and 7 batches."""
    begin(fleet, bus, (20, 90, 210))
    nova = {"weighting": "fednova"}
    base = version(bus, "fl/models/global_model_v0")
    made = version(bus, train(fleet, bus, 1, "fl/models/global_model_v0", nova))
    samples, steps = np.array([20, 90, 210]), np.array([1, 3, 7])
    assert [m.payload.count(b'"local_steps":"%d"' % s) for m, s in zip(
        (bus.wait(f"fl/rounds/r-1/updates/{name}") for name in NAMES), steps)] == [1, 1, 1]
    share = samples / samples.sum()
    factors = share * (share @ steps) / steps
    for name, tensor in made.items():
        expected = base[name].astype(np.float64) + sum(
            f * (u[name].astype(np.float64) - base[name]) for f, u in zip(factors,
                                                                          updates_of(bus, 1)))
        assert np.allclose(tensor, expected, rtol=0, atol=1e-6), name

    # One that does not say its steps does not count.
    bus.publish("fl/rounds/start", {
        "round_id": "r-2", "model_uri": "fl/models/global_model_v1", "task_wasm_image": "none",
        "participants": ["someone"], "aggregation": nova})
    bus.publish("fml/updates", save(base, metadata={
        "round_id": "r-2", "base_model_uri": "fl/models/global_model_v1", "num_samples": "1"}),
        sender="someone", round="r-2")
    receipt = bus.wait("fl/rounds/r-2/receipts/someone").json
    assert (receipt["status"], receipt["code"]) == ("rejected", "bad_local_steps"), receipt
    assert bus.request("fl/rounds/query", {"what": "status"})["open"][0]["num_updates"] == 0
