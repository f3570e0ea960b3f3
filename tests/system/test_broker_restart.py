"""The broker dies in the middle of a round, with all that it kept."""

from fleet import MISSION_START, P, WASM


def restart(fleet):
    broker = fleet.programs["mosquitto"]
    broker.kill()
    broker.start()
    fleet._await_port()


def test_a_round_goes_on_over_a_broker_that_forgot_everything(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "slow_client.wasm", "slow")
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "slow", "timeout_s": 120,
        "hyperparams": {"seconds": 3}})
    bus.wait(f"{P}/control/manager/start/+", count=3)
    # All three guests run now: the proplets say so to the manager's face.
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)
    restart(fleet)
    complete = bus.wait("fl/rounds/r-0001/complete", limit_s=90).json
    assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
    # Exactly once, however often it was sent.
    assert complete["total_samples"] == 30


def test_the_fleet_works_again_after_a_restart_between_rounds(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "client")
    start = MISSION_START | {"task_wasm_image": "client"}
    assert fleet.round(bus, start | {"round_id": "r-1"})["model_version"] == 1
    restart(fleet)
    # Their registration may be over before the test itself is connected again.
    for name in MISSION_START["participants"]:
        fleet.programs[name].await_text("mqtt.connected", count=2)
    fleet.await_alive(bus, *MISSION_START["participants"])
    fleet.await_coordinator(bus)
    complete = fleet.round(bus, start | {"round_id": "r-2",
                                         "model_uri": "fl/models/global_model_v1"})
    assert (complete["status"], complete["model_version"]) == ("completed", 2)
