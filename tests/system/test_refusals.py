"""Each code of a receipt and of a refused start; nothing refused is counted."""

import hashlib
import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save

from fleet import MISSION_START

BASE = "fl/models/global_model_v0"


def update(sender="proplet-1", **changes):
    body = {"round_id": "r-0001", "base_model_uri": BASE, "num_samples": 10,
            "metrics": {"loss": 0.5}, "update": {"w": [1, 2, 3], "b": 4}}
    body.update(changes)
    return json.dumps({k: v for k, v in body.items() if v is not None}).encode()


@pytest.fixture
def open_round(fleet, bus):
    """A round without devices: the test itself sends the updates."""
    fleet.coordinator()
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    bus.publish("fl/rounds/start", MISSION_START)
    return bus


def send(bus, sender, payload, round_id="r-0001"):
    """Sends as the manager would forward, and gives the receipt."""
    mark = bus.mark()
    bus.publish("fml/updates", payload, sender=sender, round=round_id)
    receipt = bus.wait(f"fl/rounds/{round_id}/receipts/{sender}", after=mark).json
    assert receipt["update_digest"] == "sha256:" + hashlib.sha256(payload).hexdigest()
    return receipt


BAD = {
    "malformed": b"not json",
    "malformed-array": b"[1]",
    "malformed-truncated": update()[:-4],
    "wrong_round": update(round_id="r-0002"),
    "not_participant": update(),
    "wrong_sender": update(proplet_id="proplet-2"),
    "wrong_base_model": update(base_model_uri="fl/models/global_model_v7"),
    "wrong_shape-long": update(update={"w": [1, 2, 3, 4], "b": 4}),
    "wrong_shape-short": update(update={"w": [1, 2], "b": 4}),
    "wrong_shape-missing": update(update={"w": [1, 2, 3]}),
    "wrong_shape-extra": update(update={"w": [1, 2, 3], "b": 4, "c": 5}),
    "wrong_shape-none": update(update=None),
    "wrong_dtype": save({"w": np.arange(3, dtype=np.float64), "b": np.array(4, dtype=np.float64)},
                        metadata={"round_id": "r-0001", "base_model_uri": BASE,
                                  "num_samples": "10"}),
    "non_finite": save({"w": np.float32([1, np.nan, 3]), "b": np.array(4, dtype=np.float32)},
                       metadata={"round_id": "r-0001", "base_model_uri": BASE,
                                 "num_samples": "10"}),
    "non_finite-json": update(update={"w": [1, 2, 3], "b": 4}).replace(b"[1, 2", b"[1e200, 2"),
    "bad_num_samples-zero": update(num_samples=0),
    "bad_num_samples-negative": update(num_samples=-5),
    "bad_num_samples-fraction": update(num_samples=1.5),
    "bad_num_samples-missing": update(num_samples=None),
    "bad_num_samples-huge": update(num_samples=2**40),
    "bad_local_steps": update(local_steps=0),
    "too_large": b" " * (33 << 20),
    "too_large-header": struct.pack("<Q", 1 << 40) + b"{}",
    "malformed-header": struct.pack("<Q", 1000) + b"{}",
}


def test_every_code_and_nothing_refused_is_counted(open_round):
    bus = open_round
    rejected = {}
    for case, payload in BAD.items():
        code = case.split("-")[0]
        sender = "stranger" if code == "not_participant" else "proplet-1"
        receipt = send(bus, sender, payload)
        assert (receipt["status"], receipt["code"]) == ("rejected", code), (case, receipt)
        assert len(receipt["reason"]) > 10
        rejected[code] = rejected.get(code, 0) + 1

    # proplet-1 is not worse off for its attempts; a second, different one is.
    good = update()
    assert send(bus, "proplet-1", good)["code"] == "accepted"
    assert send(bus, "proplet-1", good)["code"] == "accepted"
    assert send(bus, "proplet-1", update(num_samples=11))["code"] == "conflict"
    rejected["conflict"] = 1
    assert not bus.find("fl/rounds/r-0001/complete")

    send(bus, "proplet-2", update(update={"w": [5, 2, 3], "b": 4}, num_samples=30))
    send(bus, "proplet-3", update(update={"w": [0, 2, 3], "b": 4}, num_samples=10))
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert complete["num_updates"] == 3
    assert complete["total_samples"] == 50
    assert complete["rejected"] == rejected
    model = bus.wait("fl/models/global_model_v1").json
    assert model["w"] == [pytest.approx((10 * 1 + 30 * 5) / 50), 2, 3]
    assert model["b"] == 4

    # After the end: the counted one again gets its receipt, any other is late.
    assert send(bus, "proplet-1", good)["code"] == "accepted"
    assert send(bus, "proplet-1", update(num_samples=12))["code"] == "late"
    assert len(bus.find("fl/rounds/r-0001/complete")) == 1
    assert not bus.find("fl/models/global_model_v2")


def test_an_unknown_round_is_not_made(open_round):
    bus = open_round
    receipt = send(bus, "proplet-1", update(round_id="r-9"), "r-9")
    assert receipt["code"] == "unknown_round"
    status = bus.request("fl/rounds/query", {"what": "status"})
    assert [r["round_id"] for r in status["open"]] == ["r-0001"]


def test_one_participant_cannot_finish_a_round_alone(open_round):
    bus = open_round
    for samples in (1, 2, 3, 4):
        send(bus, "proplet-1", update(num_samples=samples))
    status = bus.request("fl/rounds/query", {"what": "status"})
    assert status["open"][0]["num_updates"] == 1
    assert not bus.find("fl/models/publish")


STARTS = {
    "malformed": b"{",
    "invalid-participants": MISSION_START | {"participants": []},
    "invalid-double": MISSION_START | {"participants": ["a", "a"]},
    "invalid-k": MISSION_START | {"k_of_n": 4},
    "invalid-k-zero": MISSION_START | {"k_of_n": 0},
    "invalid-timeout": MISSION_START | {"timeout_s": 0},
    "invalid-id": MISSION_START | {"round_id": "a/b"},
    "invalid-wildcard": MISSION_START | {"participants": ["+"]},
    "invalid-model": MISSION_START | {"model_uri": "fl/rounds/start"},
    "invalid-mode": MISSION_START | {"mode": "guess"},
    "invalid-image": {k: v for k, v in MISSION_START.items() if k != "task_wasm_image"},
}


def test_a_start_that_cannot_be_a_round_is_refused(fleet, bus):
    fleet.coordinator()
    fleet.await_coordinator(bus)
    for n, (case, start) in enumerate(STARTS.items()):
        if isinstance(start, dict) and start["round_id"] == "r-0001":
            start = start | {"round_id": f"bad-{n}"}
        mark = bus.mark()
        bus.publish("fl/rounds/start", start)
        refusal = bus.wait("fl/rounds/refused", after=mark).json
        assert refusal["code"] == case.split("-")[0], (case, refusal)
        assert len(refusal["reason"]) > 5
        if "round_id" in refusal:
            complete = bus.wait(f"fl/rounds/{refusal['round_id']}/complete").json
            assert complete["status"] == "failed"
    assert bus.request("fl/rounds/query", {"what": "status"})["open"] == []


def test_a_round_is_started_once(open_round):
    bus = open_round
    send(bus, "proplet-1", update())
    bus.publish("fl/rounds/start", MISSION_START)  # the same again: ignored
    bus.publish("fl/rounds/start", MISSION_START | {"k_of_n": 1})  # another: refused
    refusal = bus.wait("fl/rounds/refused").json
    assert refusal["code"] == "round_exists"
    assert len(bus.find("fl/rounds/refused")) == 1
    status = bus.request("fl/rounds/query", {"what": "status"})
    assert [r["num_updates"] for r in status["open"]] == [1]
    assert not bus.find("fl/rounds/r-0001/complete")


def test_a_base_model_that_is_not_there_fails_the_round(fleet, bus):
    fleet.coordinator()
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    complete = fleet.round(bus, MISSION_START | {"model_uri": "fl/models/global_model_v99"})
    assert complete["status"] == "failed"
    assert "model" in complete["reason"]
