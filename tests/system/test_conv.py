"""The example with a convolution learns the digits in rounds of real programs."""

import numpy as np
from safetensors.numpy import save_file

from fleet import WASM
from test_trajectory import VECTORS, device_folder, read_idx

CHANNELS = 8


def initial_model(path):
    """As examples/conv/README.md says; uniform, Glorot and Bengio 2010."""
    random = np.random.default_rng(1)

    def draw(into, out, *shape):
        limit = np.sqrt(6 / (into + out))
        return random.uniform(-limit, limit, shape).astype(np.float32)

    save_file({
        "conv1.weight": draw(9, 9 * CHANNELS, 3, 3, 1, CHANNELS),
        "conv1.bias": np.zeros(CHANNELS, np.float32),
        "dense1.weight": draw(16 * CHANNELS, 10, 16 * CHANNELS, 10),
        "dense1.bias": np.zeros(10, np.float32),
    }, path)


def test_a_convolutional_network_learns_the_digits(fleet, bus):
    images = read_idx(VECTORS / "train-images.idx3-ubyte")
    labels = read_idx(VECTORS / "train-labels.idx1-ubyte")
    names = [f"proplet-{c}" for c in range(3)]
    initial = fleet.folder / "initial.safetensors"
    initial_model(initial)
    fleet.manager()
    fleet.coordinator()
    fleet.model_server("--initial", initial)
    for c, name in enumerate(names):
        fleet.proplet(name, device_folder(fleet.folder / "data" / name, images[c::3],
                                          labels[c::3], c))
    fleet.proplet("evaluator", device_folder(
        fleet.folder / "data" / "evaluator", read_idx(VECTORS / "test-images.idx3-ubyte"),
        read_idx(VECTORS / "test-labels.idx1-ubyte"), 0))
    fleet.await_alive(bus, *names, "evaluator")
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "fml-conv.wasm", "conv")

    def evaluate(n, topic):
        done = fleet.round(bus, {
            "round_id": f"evaluate-{n}", "model_uri": topic, "task_wasm_image": "conv",
            "mode": "evaluate", "participants": ["evaluator"], "k_of_n": 1, "timeout_s": 60})
        assert done["status"] == "completed", done
        return done["metrics"]["accuracy"]

    topic = "fl/models/global_model_v0"
    first = evaluate(0, topic)
    for n in range(1, 4):
        trained = fleet.round(bus, {
            "round_id": f"train-{n}", "model_uri": topic, "task_wasm_image": "conv",
            "participants": names, "k_of_n": 3, "timeout_s": 60,
            "hyperparams": {"epochs": 5, "lr": 0.005, "round": n}})
        assert (trained["status"], trained["num_updates"]) == ("completed", 3), trained
        topic = trained["model_topic"]
    last = evaluate(3, topic)
    print(f"accuracy {first:.3f}, after three rounds {last:.3f}")
    assert first < 0.3
    assert last > 0.9
