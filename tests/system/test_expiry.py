"""Fewer than k in time: expired, with the model untouched. Enough: grace."""

import time

from fleet import MISSION_START, P, WASM
from test_refusals import update


def core_without_devices(fleet, bus):
    fleet.coordinator()
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)


def test_fewer_than_k_expires_and_leaves_the_model(fleet, bus):
    core_without_devices(fleet, bus)
    began = time.monotonic()
    bus.publish("fl/rounds/start", MISSION_START | {"timeout_s": 2})
    bus.publish("fml/updates", update(), sender="proplet-1", round="r-0001")
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert time.monotonic() - began >= 2
    assert complete["status"] == "expired"
    assert complete["num_updates"] == 1
    assert "model_version" not in complete
    assert not bus.find("fl/models/publish")
    index = fleet.bus().wait("fl/models/index").json
    assert [m["version"] for m in index["models"]] == [0]


def test_no_update_at_all_is_an_end_too(fleet, bus):
    core_without_devices(fleet, bus)
    complete = fleet.round(bus, MISSION_START | {"timeout_s": 1})
    assert (complete["status"], complete["num_updates"]) == ("expired", 0)


def test_k_of_n_closes_at_once_without_grace(fleet, bus):
    core_without_devices(fleet, bus)
    bus.publish("fl/rounds/start", MISSION_START | {"k_of_n": 2})
    for n in (1, 2):
        bus.publish("fml/updates", update(), sender=f"proplet-{n}", round="r-0001")
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["num_updates"]) == ("completed", 2)
    bus.publish("fml/updates", update(), sender="proplet-3", round="r-0001")
    assert bus.wait("fl/rounds/r-0001/receipts/proplet-3").json["code"] == "late"


def test_grace_lets_the_others_in_and_all_end_it(fleet, bus):
    core_without_devices(fleet, bus)
    bus.publish("fl/rounds/start", MISSION_START | {"k_of_n": 1, "grace_s": 600, "timeout_s": 900})
    for n in (1, 2, 3):
        bus.publish("fml/updates", update(), sender=f"proplet-{n}", round="r-0001")
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["num_updates"]) == ("completed", 3)


def test_grace_ends(fleet, bus):
    core_without_devices(fleet, bus)
    bus.publish("fl/rounds/start", MISSION_START | {"k_of_n": 1, "grace_s": 1})
    bus.publish("fml/updates", update(), sender="proplet-2", round="r-0001")
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["num_updates"]) == ("completed", 1)


def test_two_rounds_at_once_make_two_versions(fleet, bus):
    core_without_devices(fleet, bus)
    for round_id in ("a", "b"):
        bus.publish("fl/rounds/start", MISSION_START | {"round_id": round_id})
    for n in (1, 2, 3):
        for round_id, w in (("a", [1, 1, 1]), ("b", [2, 2, 2])):
            bus.publish("fml/updates", update(round_id=round_id, update={"w": w, "b": 0}),
                        sender=f"proplet-{n}", round=round_id)
    done = {r: bus.wait(f"fl/rounds/{r}/complete").json for r in ("a", "b")}
    assert {done["a"]["model_version"], done["b"]["model_version"]} == {1, 2}
    for round_id, w in (("a", [1, 1, 1]), ("b", [2, 2, 2])):
        assert bus.wait(done[round_id]["model_topic"]).json["w"] == w


def test_a_straggler_is_stopped_when_its_round_closes(fleet, bus):
    fleet.core(bus, ["proplet-1", "proplet-2"])
    fleet.push(WASM / "loop_forever.wasm", "loop")
    start = MISSION_START | {"participants": ["proplet-1", "proplet-2"], "k_of_n": 1,
                             "task_wasm_image": "loop", "timeout_s": 120}
    bus.publish("fl/rounds/start", start)
    bus.wait(f"{P}/control/manager/start/+", count=2)
    # proplet-1's update comes from elsewhere; both guests still run.
    bus.publish("fml/updates", update(), sender="proplet-1", round="r-0001")
    assert bus.wait("fl/rounds/r-0001/complete").json["status"] == "completed"
    results = bus.wait(f"{P}/control/proplet/results", count=2)
    assert {r.json["reason"] for r in results} == {"stopped"}
