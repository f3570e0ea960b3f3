"""Where rounds stand is retained: for who comes late, and after a broker that forgot it."""

from fleet import MISSION_START
from test_coordinator_crash import SENT, core, restart
from test_refusals import send

OPEN = {"round_id": "r-2", "state": "open", "mode": "train", "k_of_n": 3, "participants": 3,
        "model_uri": "fl/models/global_model_v0"}
ENDED = {"round_id": "r-0001", "state": "ended", "mode": "train", "k_of_n": 3, "participants": 3,
         "model_uri": "fl/models/global_model_v0", "counted": 3, "status": "completed",
         "reason": "all_counted", "model_topic": "fl/models/global_model_v1"}


def assert_a_late_joiner_knows(fleet):
    late = fleet.bus(filters=("fl/rounds/+/state",))
    for expected in (OPEN, ENDED):
        message = late.wait(f"fl/rounds/{expected['round_id']}/state")
        assert message.retain
        found = message.json
        assert found.pop("deadline" if expected is OPEN else "completed_at")
        assert found == expected


def two_rounds(fleet, bus):
    core(fleet, bus)
    bus.publish("fl/rounds/start", MISSION_START | {"timeout_s": 600})
    for sender, payload in SENT.items():
        send(bus, sender, payload)
    bus.wait("fl/rounds/r-0001/complete")
    bus.publish("fl/rounds/start", MISSION_START | {"round_id": "r-2", "timeout_s": 600})
    bus.wait("fl/rounds/r-2/state", lambda m: m.json["state"] == "open")


def states(bus, round_id, after=0):
    """In order; at a coordinator's first connect one may be told again."""
    told = [m.json["state"] for m in bus.find(f"fl/rounds/{round_id}/state", after=after)]
    return [state for i, state in enumerate(told) if i == 0 or told[i - 1] != state]


def test_states_are_told_in_order_and_kept_for_who_comes_late(fleet, bus):
    two_rounds(fleet, bus)
    assert states(bus, "r-0001") == ["opening", "open", "storing", "ended"]
    assert states(bus, "r-2") == ["opening", "open"]
    assert_a_late_joiner_knows(fleet)
    restart(fleet, bus)
    assert_a_late_joiner_knows(fleet)


def test_a_broker_that_lost_its_store_has_them_again(fleet, bus):
    two_rounds(fleet, bus)
    broker, coordinator = fleet.programs["mosquitto"], fleet.programs["coordinator"]
    for with_coordinator in (False, True):  # it has no persistence: all is gone with it
        mark = bus.mark()
        broker.kill()
        if with_coordinator:
            coordinator.kill()
            coordinator.start()
        broker.start()
        for round_id in ("r-0001", "r-2"):
            bus.wait(f"fl/rounds/{round_id}/state", after=mark)
        assert_a_late_joiner_knows(fleet)
