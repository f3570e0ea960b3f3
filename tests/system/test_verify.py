"""`fml models verify`: each version is what its updates make, for every rule and optimiser,
whatever the order in which they came, and over a coordinator that is killed."""

import json
import zlib

import numpy as np
from safetensors.numpy import load, save

DEVICES = [f"d{i}" for i in range(7)]
SHAPES = {"a": (3, 5), "b": (7,), "c": ()}
RULES = [
    {"rule": "mean"},
    {"rule": "mean", "weighting": "equal"},
    {"rule": "mean", "weighting": "fednova"},
    {"rule": "median"},
    {"rule": "trimmed_mean", "trim": 0.3},
    {"rule": "krum", "byzantine": 2},
    {"rule": "multi_krum", "byzantine": 1, "keep": 3},
    {"rule": "geometric_median"},
    {"rule": "norm_bound", "bound": 0.5},
    *({"rule": "mean", "optimiser": {"kind": kind, "rate": 0.1}}
      for kind in ("fedavgm", "fedadagrad", "fedadam", "fedyogi")),
]


def tensors(seed):
    draw = np.random.default_rng(seed)
    return {k: draw.standard_normal(shape).astype(np.float32) for k, shape in SHAPES.items()}


def send(bus, round_id, base, device):
    metadata = {"round_id": round_id, "base_model_uri": base,
                "num_samples": str(1 + DEVICES.index(device)),
                "local_steps": str(9 - DEVICES.index(device)),
                "metrics": json.dumps({"loss": 0.1 * DEVICES.index(device)})}
    payload = save(tensors(zlib.crc32(f"{round_id} {device}".encode())), metadata=metadata)
    bus.publish("fml/updates", payload, sender=device, round=round_id)
    bus.wait(f"fl/rounds/{round_id}/receipts/{device}",
             lambda m: m.json["code"] == "accepted")


def play(bus, n, base, aggregation, order):
    round_id = f"r-{n}"
    bus.publish("fl/rounds/start", {
        "round_id": round_id, "model_uri": base, "task_wasm_image": "none",
        "participants": DEVICES, "k_of_n": 7, "timeout_s": 60, "aggregation": aggregation})
    for device in order:
        send(bus, round_id, base, device)
    done = bus.wait(f"fl/rounds/{round_id}/complete").json
    assert (done["status"], done["num_updates"]) == ("completed", 7), done
    return done["model_topic"]


def begin(fleet, bus, keep):
    initial = fleet.folder / "initial.safetensors"
    initial.write_bytes(save(tensors(0)))
    fleet.coordinator("--keep-updates", keep)
    fleet.model_server("--initial", initial)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)


def test_every_version_is_made_again_from_its_updates(fleet, bus):
    begin(fleet, bus, "100")
    order = np.random.default_rng(1)
    topics = [play(bus, n, "fl/models/global_model_v0", rule, order.permutation(DEVICES))
              for n, rule in enumerate(RULES)]
    # Twice in a row: the second steps from the state that the first left in the version.
    topics.append(play(bus, len(RULES), topics[-1], RULES[-1], DEVICES))
    fleet.programs["coordinator"].kill()
    fleet.coordinator("--keep-updates", "100")
    fleet.await_coordinator(bus)
    shown = fleet.tool("models", "verify", "--all").stdout.splitlines()
    assert [line.split(": ")[0] for line in shown] == topics, shown
    assert all("same bytes from 7 updates" in line for line in shown), shown


def test_partial_updates_change_what_they_hold(fleet, bus):
    """Each device trains some tensors (as LoRA does); b is left alone by all."""
    begin(fleet, bus, "1")
    have = {d: ("a",) if i % 2 else ("a", "c") for i, d in enumerate(DEVICES)}
    base = "fl/models/global_model_v0"
    bus.publish("fl/rounds/start", {
        "round_id": "r-1", "model_uri": base, "task_wasm_image": "none", "participants": DEVICES,
        "k_of_n": 7, "timeout_s": 60, "aggregation": {"rule": "mean", "partial": True}})
    sent = {}
    for i, device in enumerate(DEVICES):
        sent[device] = {k: v for k, v in tensors(50 + i).items() if k in have[device]}
        payload = save(sent[device], metadata={"round_id": "r-1", "base_model_uri": base,
                                               "num_samples": str(1 + i)})
        bus.publish("fml/updates", payload, sender=device, round="r-1")
    done = bus.wait("fl/rounds/r-1/complete").json
    assert (done["status"], done["num_updates"]) == ("completed", 7), done
    made = load(bus.wait(done["model_topic"]).payload)
    for name, tensor in made.items():
        those = [(1 + i, sent[d][name]) for i, d in enumerate(DEVICES) if name in sent[d]]
        expected = tensors(0)[name] if not those else (
            sum(w * t.astype(np.float64) for w, t in those) / sum(w for w, _ in those))
        assert np.array_equal(tensor, np.float32(expected)), name
    assert "same bytes" in fleet.tool("models", "verify").stdout

    # Without the word in its start a round wants whole ones, and counts nothing else.
    bus.publish("fl/rounds/start", {
        "round_id": "r-2", "model_uri": base, "task_wasm_image": "none", "participants": DEVICES,
        "k_of_n": 7, "timeout_s": 60})
    bus.publish("fml/updates", save(sent["d1"], metadata={
        "round_id": "r-2", "base_model_uri": base, "num_samples": "1"}), sender="d1", round="r-2")
    receipt = bus.wait("fl/rounds/r-2/receipts/d1").json
    assert (receipt["status"], receipt["code"]) == ("rejected", "wrong_shape"), receipt
    state = bus.request("fl/rounds/query", {"what": "status"})
    assert [r["num_updates"] for r in state["open"]] == [0], state


def test_what_is_not_the_same_is_said_and_fails(fleet, bus):
    begin(fleet, bus, "1")
    first = play(bus, 1, "fl/models/global_model_v0", {"rule": "mean"}, DEVICES)
    second = play(bus, 2, first, {"rule": "median"}, DEVICES)
    assert "same bytes" in fleet.tool("models", "verify").stdout
    refused = fleet.tool("models", "verify", first, check=False)
    assert refused.returncode == 1 and "--keep-updates" in refused.stderr
    refused = fleet.tool("models", "verify", "0", check=False)
    assert refused.returncode == 1 and "not made by a round" in refused.stderr

    # A bit of an update turns over on the disk: never the same, and nothing else changes.
    [spool] = (fleet.folder / "coordinator" / "rounds" / "r-2").glob("updates-*")
    data = bytearray(spool.read_bytes())
    data[-1] ^= 1
    spool.write_bytes(data)
    refused = fleet.tool("models", "verify", second, check=False)
    assert refused.returncode == 1 and "same bytes" not in refused.stdout
    assert "damaged" in refused.stderr
    assert fleet.tool("models", "list").returncode == 0
