"""Devices that die, starts that come twice, devices that are Propeller's."""

import base64
import json

from fleet import MISSION_START, P, WASM, await_path, results_of
from test_refusals import update


def tasks_of(fleet, bus):
    status = bus.request(f"{P}/control/manager/query", {"what": "status"})
    return status["tasks"]


def test_a_killed_proplet_is_offline_and_its_task_ends(fleet, bus):
    fleet.manager("--lost-after", "1")
    fleet.coordinator()
    fleet.model_server()
    for n in (1, 2, 3):
        fleet.proplet(f"proplet-{n}")
    fleet.await_alive(bus, "proplet-1", "proplet-2", "proplet-3")
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "slow_client.wasm", "slow")
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "slow", "k_of_n": 2, "grace_s": 1, "hyperparams": {"seconds": 2}})
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)
    fleet.programs["proplet-2"].kill()

    # The broker's will says so; after --lost-after its task has an end.
    bus.wait(f"{P}/control/proplet/alive",
             lambda m: m.json == {**m.json, "proplet_id": "proplet-2", "status": "offline"})
    event = bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "failed").json
    assert (event["proplet_id"], event["reason"]) == ("proplet-2", "proplet_lost")
    # The round goes on with k of n.
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["num_updates"]) == ("completed", 2)

    # It is not asked again while it is away, and is after it came back.
    complete = fleet.round(bus, MISSION_START | {
        "round_id": "r-2", "task_wasm_image": "slow", "k_of_n": 2, "hyperparams": {"seconds": 0}})
    assert complete["status"] == "completed"
    away = [t for t in tasks_of(fleet, bus)
            if t["launch_id"] == "r-2" and t["proplet_id"] == "proplet-2"]
    assert [t["reason"] for t in away] == ["proplet_offline"]
    mark = bus.mark()
    fleet.programs["proplet-2"].start()
    bus.wait(f"{P}/control/proplet/create", after=mark)
    fleet.await_alive(bus, "proplet-2")
    complete = fleet.round(bus, MISSION_START | {
        "round_id": "r-3", "task_wasm_image": "slow", "hyperparams": {"seconds": 0}})
    assert complete["num_updates"] == 3


def test_a_restarted_proplet_reports_its_interrupted_task(fleet, bus):
    fleet.core(bus, ["proplet-1"])
    fleet.push(WASM / "loop_forever.wasm", "loop")
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "loop", "participants": ["proplet-1"], "k_of_n": 1, "timeout_s": 600})
    started = bus.wait(f"{P}/control/manager/start/proplet-1").json
    # Once the folder of the task is there the proplet has it; kill in the middle.
    await_path(fleet.folder / "proplet-1" / "tasks" / started["id"])
    proplet = fleet.programs["proplet-1"]
    proplet.kill()
    proplet.start()
    results = results_of(bus, started["id"])
    assert results["reason"] == "interrupted", results


def test_a_start_that_comes_twice_runs_once(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "client")
    start = MISSION_START | {"task_wasm_image": "client"}
    bus.publish("fl/rounds/start", start)
    bus.publish("fl/rounds/start", start)
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert complete["num_updates"] == 3
    first = bus.wait(f"{P}/control/manager/start/proplet-1")
    bus.wait(f"{P}/control/proplet/results", count=3)

    # Also when the very same task start reaches a proplet again.
    mark = bus.mark()
    bus.publish(first.topic, first.payload)
    again = bus.wait(f"{P}/control/proplet/results", after=mark).json
    assert again["task_id"] == first.json["id"]
    assert len(bus.find("fl/models/publish")) == 1
    assert len(bus.find(f"{P}/control/manager/start/+")) == 4  # three, and the forged one
    assert {m.json["round_id"] for m in bus.find("fl/rounds/+/complete")} == {"r-0001"}


def test_results_of_another_sender_change_nothing(fleet, bus):
    fleet.core(bus, ["proplet-1", "proplet-2"])
    fleet.push(WASM / "loop_forever.wasm", "loop")
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "loop", "participants": ["proplet-1"], "k_of_n": 1, "timeout_s": 60})
    task = bus.wait(f"{P}/control/manager/start/proplet-1").json["id"]
    bus.publish(f"{P}/control/proplet/results",
                {"task_id": task, "proplet_id": "proplet-2", "results": "", "error": "forged"})
    bus.publish(f"{P}/control/proplet/results", b"\xff not json")
    assert [t["state"] for t in tasks_of(fleet, bus)] == ["running"]


def test_a_propeller_proplet_is_served_on_the_shared_topic(fleet, bus):
    """A device that registers as Propeller's do gets the module inline."""
    fleet.manager()
    fleet.coordinator()
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    wasm = WASM / "mission-client-c.wasm"
    fleet.push(wasm, "client")
    bus.publish(f"{P}/control/proplet/create", {"proplet_id": "theirs", "namespace": "default"})
    bus.publish(f"{P}/control/proplet/alive",
                {"proplet_id": "theirs", "status": "alive", "namespace": "default"})
    fleet.await_alive(bus, "theirs")
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "client", "participants": ["theirs"], "k_of_n": 1})
    start = bus.wait(f"{P}/control/manager/start").json
    assert start["proplet_id"] == "theirs"
    assert base64.b64decode(start["file"]) == wasm.read_bytes()
    for field in ("id", "name", "state", "cli_args", "broadcast", "daemon", "latent", "encrypted"):
        assert field in start
    # It answers as Propeller's do: the update on its topic, then results.
    bus.publish("fl/rounds/r-0001/updates/theirs", update())
    bus.publish(f"{P}/control/proplet/results", json.dumps({
        "task_id": start["id"], "error": None,
        "results": {"format": "f32-delta", "metrics": {}, "num_samples": 1, "proplet_id": "theirs",
                    "round_id": "r-0001", "task_id": start["id"], "update_b64": ""}}))
    assert bus.wait("fl/rounds/r-0001/complete").json["num_updates"] == 1
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "completed")
