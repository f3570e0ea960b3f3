"""Updates that devices make smaller: what a round asks for reaches the device, what it sends is
counted like any update, and what top-k leaves out comes later, over rounds and restarts."""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from fleet import WASM

NAMES = ["proplet-1", "proplet-2"]  # each adds its number to every parameter
MEAN = 1.5
COUNT = 8192
TENSORS = {"a": np.zeros((4, COUNT // 4), np.float32), "b": np.arange(4, dtype=np.float32)}


def begin(fleet, bus, initial):
    path = fleet.folder / "initial"
    path.write_bytes(initial)
    fleet.manager()
    bus.request("m/demo/c/fl/control/manager/query", {"what": "status"})
    fleet.coordinator()
    fleet.model_server("--initial", path)
    for name in NAMES:
        fleet.proplet(name, None)
    fleet.await_alive(bus, *NAMES)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "sum_client.wasm", "sum")


def play(fleet, bus, number, compression, file=1):
    """A round from version number - 1. Gives the new version and the bytes of its updates."""
    round_id = f"r-{number}"
    bus.publish("fl/rounds/start", {
        "round_id": round_id, "model_uri": f"fl/models/global_model_v{number - 1}",
        "task_wasm_image": "sum", "participants": NAMES, "k_of_n": 2, "timeout_s": 60,
        "hyperparams": {"file": file}, "compression": compression})
    done = bus.wait(f"fl/rounds/{round_id}/complete").json
    assert (done["status"], done["num_updates"]) == ("completed", 2), done
    made = bus.wait(done["model_topic"]).payload
    return made, done["update_bytes"]


def quarter(tensor, index):
    flat = tensor.reshape(-1)
    return flat[index * flat.size // 4:(index + 1) * flat.size // 4]


def test_what_top_k_leaves_out_comes_later(fleet, bus):
    """All differences are alike, so the first quarter goes in the first round; by then the
    others have waited, so the next goes with what it has gathered, and so on."""
    begin(fleet, bus, save(TENSORS))
    expected = {name: tensor.copy() for name, tensor in TENSORS.items()}
    for number in range(1, 5):
        made, sent = play(fleet, bus, number, {"dtype": "float16", "top_k": 0.25})
        for tensor in expected.values():
            quarter(tensor, number - 1)[:] += MEAN * number
        for name, tensor in load(made).items():
            assert np.array_equal(tensor, expected[name]), (number, name)
        assert sent < 2 * (COUNT // 4 * 6 + 1000), sent  # 2 bytes and 4 for its place
        name = NAMES[number % 2]
        fleet.programs[name].kill()
        fleet.programs[name].start()
        bus.wait("m/demo/c/fl/control/proplet/create",
                 lambda m, n=name: m.json["proplet_id"] == n, count=1 + (number + 1) // 2)


def test_a_cancelled_round_loses_what_was_sent_and_no_more(fleet, bus):
    begin(fleet, bus, save(TENSORS))
    bus.publish("fl/rounds/start", {
        "round_id": "r-0", "model_uri": "fl/models/global_model_v0", "task_wasm_image": "sum",
        "participants": [*NAMES, "nobody"], "k_of_n": 3, "timeout_s": 60,
        "hyperparams": {"file": 1}, "compression": {"dtype": "float16", "top_k": 0.25}})
    for name in NAMES:
        bus.wait(f"fl/rounds/r-0/receipts/{name}", lambda m: m.json["code"] == "accepted")
        bus.wait("m/demo/c/fl/control/manager/tasks",
                 lambda m, n=name: m.json["proplet_id"] == n and m.json["state"] == "completed")
    bus.publish("fl/rounds/cancel", {"round_id": "r-0"})
    bus.wait("fl/rounds/r-0/complete")
    # Both were accepted: what they left out is carried, the first quarter was sent in vain.
    made, _ = play(fleet, bus, 1, {"dtype": "float16", "top_k": 0.25})
    assert np.array_equal(quarter(load(made)["a"], 1), np.full(COUNT // 4, 2 * MEAN))
    assert np.array_equal(quarter(load(made)["a"], 0), np.zeros(COUNT // 4))


@pytest.mark.parametrize("dtype,size,error", [
    ("float16", 2, 0), ("bfloat16", 2, 0), ("int8", 1, 1e-6)])
def test_smaller_dtypes(fleet, bus, dtype, size, error):
    begin(fleet, bus, save(TENSORS))
    made, sent = play(fleet, bus, 1, {"dtype": dtype})
    for name, tensor in load(made).items():
        assert np.abs(tensor - (TENSORS[name] + np.float32(MEAN))).max() <= error, name
    assert 2 * COUNT * size < sent < 2 * (COUNT * size + 1000), sent


def test_json_is_compressed_too(fleet, bus):
    begin(fleet, bus, json.dumps({"w": [0.5] * COUNT}).encode())
    made, sent = play(fleet, bus, 1, {"dtype": "float16"}, file=0)
    assert json.loads(made)["w"] == [0.5 + MEAN] * COUNT
    assert sent < 2 * (2 * COUNT + 1000), sent


def test_what_would_not_be_smaller_goes_as_it_is(fleet, bus):
    begin(fleet, bus, json.dumps({"w": [0.5, 1, 2]}).encode())
    made, _ = play(fleet, bus, 1, {"dtype": "int8", "top_k": 0.5}, file=0)
    assert json.loads(made)["w"] == [2, 2.5, 3.5]
    sent = bus.find("fl/rounds/r-1/updates/#")
    assert len(sent) == 2 and all(m.json["update"] for m in sent)


def test_the_tool_asks_for_it_and_the_round_says_what_is_wrong(fleet, bus):
    begin(fleet, bus, save(TENSORS))
    shown = json.loads(fleet.tool(
        "round", "start", "--image", "sum", "--id", "r-1", "--k", "2", "--hyperparams",
        '{"file":1}', "--compress", "int8", "--top-k", "0.25", "--json").stdout)
    assert shown["status"] == "completed", shown
    assert shown["update_bytes"] < 2 * (COUNT // 4 * 5 + 1000), shown
    fleet.tool("train", "--rounds", "1", "--image", "sum", "--id", "e", "--k", "2",
               "--hyperparams", '{"file":1}', "--compress", "float16")
    assert bus.wait("fl/rounds/e-r0001/complete").json["update_bytes"] < 2 * (2 * COUNT + 1000)

    wrong = fleet.tool("round", "start", "--image", "sum", "--compress", "int4", check=False)
    assert wrong.returncode != 0 and "float16" in wrong.stderr, wrong
    bus.publish("fl/rounds/start", {
        "round_id": "r-9", "model_uri": "fl/models/global_model_v1", "task_wasm_image": "sum",
        "participants": NAMES, "compression": {"dtype": "int8", "topk": 0.1}})
    refused = bus.wait("fl/rounds/refused").json
    assert (refused["round_id"], refused["code"]) == ("r-9", "invalid"), refused
    assert refused["reason"] == "compression has dtype and top_k, but no topk", refused
