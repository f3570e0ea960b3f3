"""A round is cancelled: it ends at once, its guests are stopped, its devices are free."""

from fleet import MISSION_START, P, WASM
from test_coordinator_crash import SENT, core, restart
from test_refusals import send

PROPLETS = MISSION_START["participants"]


def test_the_tool_cancels_and_the_guests_stop(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "slow_client.wasm", "slow")
    start = MISSION_START | {"task_wasm_image": "slow", "timeout_s": 600}
    bus.publish("fl/rounds/start", start | {"hyperparams": {"seconds": 500}})
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)
    done = fleet.tool("round", "cancel", "r-0001", "--reason", "it takes too long")
    assert done.stdout == "round r-0001 is cancelled\n"
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["reason"]) == ("cancelled", "cancelled_by_request")
    assert complete["num_updates"] == 0 and "model_topic" not in complete
    assert "it takes too long" in fleet.programs["coordinator"].text()
    for name in PROPLETS:
        results = bus.wait(f"{P}/control/proplet/results",
                           lambda m: m.json["proplet_id"] == name).json
        assert results["reason"] == "stopped", results
    # The devices are free, and the model is the same.
    complete = fleet.round(bus, start | {"round_id": "r-2", "hyperparams": {"seconds": 0}})
    assert (complete["status"], complete["model_version"]) == ("completed", 1), complete
    assert fleet.tool("round", "cancel", "r-0001").stdout  # once more: it is
    done = fleet.tool("round", "cancel", "r-2", check=False)
    assert done.returncode == 1 and "round_ended" in done.stderr, done
    done = fleet.tool("round", "cancel", "r-3", check=False)
    assert done.returncode == 1 and "unknown_round" in done.stderr, done


def test_a_cancelled_round_stays_cancelled_over_a_kill(fleet, bus):
    core(fleet, bus)
    coordinator = fleet.programs["coordinator"]
    for n in range(6):
        bus.publish("fl/rounds/start", MISSION_START | {"round_id": f"r-{n}", "timeout_s": 600})
        payload = SENT["proplet-1"].replace(b"r-0001", b"r-%d" % n)
        assert send(bus, "proplet-1", payload, f"r-{n}")["code"] == "accepted"
        bus.publish("fl/rounds/cancel", {"round_id": f"r-{n}"})
        if n % 2:
            bus.wait(f"fl/rounds/r-{n}/complete")
        coordinator.kill()
        coordinator.start()
        complete = bus.wait(f"fl/rounds/r-{n}/complete").json
        assert (complete["status"], complete["reason"]) == ("cancelled", "cancelled_by_request")
    restart(fleet, bus)
    status = bus.request("fl/rounds/query", {"what": "status"})
    assert not status["open"]
    assert [r["status"] for r in status["ended"]] == ["cancelled"] * 6
    for n in range(6):
        assert len({m.payload for m in bus.find(f"fl/rounds/r-{n}/complete")}) == 1
    assert not bus.find("fl/models/publish")
