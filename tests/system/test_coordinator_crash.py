"""The coordinator is killed in the middle of rounds, and nothing is lost or double."""

import json

from fleet import MISSION_START
from test_refusals import send, update

# Whole numbers whose weighted mean is exact: (1*1 + 3*3 + 4*5) / 8 and so on.
SENT = {
    "proplet-1": update(num_samples=1, update={"w": [1, 2, 3], "b": 8}),
    "proplet-2": update(num_samples=3, update={"w": [3, 8, -1], "b": 16}),
    "proplet-3": update(num_samples=4, update={"w": [5, 0, 2], "b": 4}),
}
MEAN = {"w": [3.75, 3.25, 1.0], "b": 9.0, "version": 1}
START = MISSION_START | {"timeout_s": 600}


def core(fleet, bus):
    fleet.coordinator()
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)


def restart(fleet, bus):
    """kill -9, and the same command again on the same folder."""
    coordinator = fleet.programs["coordinator"]
    coordinator.kill()
    coordinator.start()
    fleet.await_coordinator(bus)


def status(bus):
    return bus.request("fl/rounds/query", {"what": "status"})


def assert_one_version(bus, round_id="r-0001"):
    """One complete in as many copies as came, one version, and the exact mean."""
    complete = bus.wait(f"fl/rounds/{round_id}/complete").json
    copies = {m.payload for m in bus.find(f"fl/rounds/{round_id}/complete")}
    assert len(copies) == 1, copies
    assert (complete["status"], complete["num_updates"]) == ("completed", 3)
    assert complete["total_samples"] == 8
    published = {m.payload for m in bus.find("fl/models/publish")}
    assert len(published) == 1
    model = bus.wait(complete["model_topic"]).json
    assert model == MEAN, model
    # The index follows the version; a second one of the round would be in it by then.
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) > 1).json
    assert [m["version"] for m in index["models"]] == [0, 1]


def assert_all_accepted(bus):
    """Not one receipt says anything else than the first."""
    for sender, payload in SENT.items():
        receipts = bus.find(f"fl/rounds/r-0001/receipts/{sender}")
        assert receipts and {m.json["code"] for m in receipts} == {"accepted"}, sender


def test_a_round_survives_a_kill_after_each_receipt(fleet, bus):
    core(fleet, bus)
    bus.publish("fl/rounds/start", START)
    for n, (sender, payload) in enumerate(SENT.items()):
        assert send(bus, sender, payload)["code"] == "accepted"
        if n == 2:
            break
        restart(fleet, bus)
        [round_] = status(bus)["open"]
        assert (round_["round_id"], round_["num_updates"]) == ("r-0001", n + 1)
        for known in list(SENT)[:n + 1]:
            assert send(bus, known, SENT[known])["code"] == "accepted"
    bus.wait("fl/rounds/r-0001/complete")
    restart(fleet, bus)
    for sender, payload in SENT.items():
        assert send(bus, sender, payload)["code"] == "accepted"
    assert send(bus, "proplet-1", SENT["proplet-1"] + b" ")["code"] == "late"
    [round_] = status(bus)["ended"]
    assert (round_["status"], round_["model_version"]) == ("completed", 1)
    assert_one_version(bus)


def test_a_kill_between_update_and_receipt_counts_it_at_most_once(fleet, bus):
    core(fleet, bus)
    bus.publish("fl/rounds/start", START)
    bus.request("fl/rounds/query", {"what": "status"})
    coordinator = fleet.programs["coordinator"]
    # The kill comes at whatever moment it comes; devices repeat until a receipt.
    for sender, payload in SENT.items():
        bus.publish("fml/updates", payload, sender=sender, round="r-0001")
        coordinator.kill()
        coordinator.start()
    fleet.await_coordinator(bus)
    for sender, payload in SENT.items():
        assert send(bus, sender, payload)["code"] == "accepted"
    bus.wait("fl/rounds/r-0001/complete")
    assert_one_version(bus)
    assert_all_accepted(bus)


def test_what_it_was_reading_when_it_died_comes_again(fleet, bus):
    """Killed in the burst that a message belongs to: at once, at the first receipt, at
    the version, at the end. Nobody sends anything again."""
    core(fleet, bus)
    coordinator = fleet.programs["coordinator"]
    moments = [None, "fl/rounds/+/receipts/+", "fl/models/publish", "fl/rounds/+/complete"]
    for n, moment in enumerate(moments * 3):
        mark = bus.mark()
        bus.publish("fl/rounds/start", START | {"round_id": f"r-{n}"})
        for sender, payload in SENT.items():
            bus.publish("fml/updates", payload.replace(b"r-0001", b"r-%d" % n),
                        sender=sender, round=f"r-{n}")
        if moment is not None:
            bus.wait(moment, after=mark)
        coordinator.kill()
        coordinator.start()
        complete = bus.wait(f"fl/rounds/r-{n}/complete").json
        assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
        assert complete["total_samples"] == 8 and complete["rejected"] == {}
        assert bus.wait(complete["model_topic"]).json == MEAN | {"version": n + 1}
    assert not bus.find("fl/rounds/refused")


def test_a_version_under_way_is_stored_once(fleet, bus):
    core(fleet, bus)
    server = fleet.programs["model-server"]
    bus.publish("fl/rounds/start", START)
    for sender in ("proplet-1", "proplet-2"):
        send(bus, sender, SENT[sender])
    server.kill()
    send(bus, "proplet-3", SENT["proplet-3"])
    bus.wait("fl/models/publish")
    mark = bus.mark()
    restart(fleet, bus)
    bus.wait("fl/models/publish", after=mark)
    server.start()
    bus.wait("fl/rounds/r-0001/complete")
    assert_one_version(bus)


def test_sigterm_leaves_rounds_open_unless_told_otherwise(fleet, bus):
    core(fleet, bus)
    coordinator = fleet.programs["coordinator"]
    bus.publish("fl/rounds/start", START)
    send(bus, "proplet-1", SENT["proplet-1"])
    assert coordinator.stop() == 0
    assert not bus.find("fl/rounds/r-0001/complete")
    coordinator.argv.append("--cancel-on-stop")
    coordinator.start()
    fleet.await_coordinator(bus)
    assert [r["num_updates"] for r in status(bus)["open"]] == [1]
    assert coordinator.stop() == 0
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["reason"]) == ("cancelled", "coordinator_stopped")


def test_a_damaged_database_is_named_and_not_used(fleet, bus):
    core(fleet, bus)
    coordinator = fleet.programs["coordinator"]
    bus.publish("fl/rounds/start", START)
    send(bus, "proplet-1", SENT["proplet-1"])
    assert coordinator.stop() == 0
    database = fleet.folder / "coordinator" / "coordinator.db"
    content = bytearray(database.read_bytes())
    content[4096:4112] = b"\xee" * 16
    database.write_bytes(content)
    coordinator.start()
    assert coordinator.process.wait(30) == 1
    assert "store.corrupt" in coordinator.text() and str(database) in coordinator.text()


def test_a_second_coordinator_on_the_same_folder_is_refused(fleet, bus):
    core(fleet, bus)
    first = fleet.programs["coordinator"]
    second = fleet.add("second", [*first.argv, "--id", "second"])
    assert second.process.wait(30) == 1
    assert "another process has it open" in second.text()
    assert first.process.poll() is None
    assert json.dumps(status(bus))
