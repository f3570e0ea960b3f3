"""The manager dies by kill -9 and starts again: nothing is launched twice, nothing
that runs is forgotten, and what came meanwhile waits in its session at the broker."""

from fleet import MISSION_START, P, WASM

PROPLETS = MISSION_START["participants"]


def started(bus):
    """Task ids by proplet, as the proplets were given them."""
    ids = {}
    for m in bus.find(f"{P}/control/manager/start/+"):
        ids.setdefault(m.json["proplet_id"], set()).add(m.json["id"])
    return ids


def ends(bus):
    """Each end of a task that anyone was told, by task."""
    told = {}
    for m in bus.find(f"{P}/control/manager/tasks", lambda m: m.json["state"] != "running"):
        told.setdefault(m.json["task_id"], set()).add((m.json["state"], m.json["reason"]))
    return told


def check_tasks(fleet, bus, count):
    """Every task was given to its proplet under one id, and has one end."""
    ids = {i for own in started(bus).values() for i in own}
    assert len(ids) == count, started(bus)
    for i in ids:
        bus.wait(f"{P}/control/manager/tasks",
                 lambda m: m.json["task_id"] == i and m.json["state"] != "running")
    assert ends(bus) == {i: {("completed", "completed")} for i in ids}
    status = bus.request(f"{P}/control/manager/query", {"what": "status"})
    assert status["recorded"] is True
    assert {t["task_id"] for t in status["tasks"]} == ids
    assert {t["state"] for t in status["tasks"]} == {"completed"}


def slow_round(fleet, bus, **changes):
    fleet.push(WASM / "slow_client.wasm", "slow")
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "slow", "timeout_s": 120, "hyperparams": {"seconds": 2}} | changes)
    bus.wait(f"{P}/control/manager/start/+", count=3)
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)


def test_a_round_goes_on_over_a_killed_manager(fleet, bus):
    fleet.core(bus)
    slow_round(fleet, bus)
    manager = fleet.programs["manager"]
    manager.kill()
    manager.start()
    complete = bus.wait("fl/rounds/r-0001/complete", limit_s=90).json
    assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
    assert complete["total_samples"] == 30
    check_tasks(fleet, bus, 3)


def test_updates_and_results_wait_for_a_manager_that_is_down(fleet, bus):
    fleet.core(bus)
    slow_round(fleet, bus)
    for name in PROPLETS:  # the image has left the manager: the rest needs no manager
        bus.wait(f"{P}/registry/part/{name}/#")
    manager = fleet.programs["manager"]
    manager.kill()
    for name in PROPLETS:
        bus.wait(f"fl/rounds/r-0001/updates/{name}")
        bus.wait(f"{P}/control/proplet/results", lambda m: m.json["proplet_id"] == name)
    assert not bus.find("fml/updates")
    assert not ends(bus)
    manager.start()
    complete = bus.wait("fl/rounds/r-0001/complete", limit_s=90).json
    assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
    check_tasks(fleet, bus, 3)


def test_a_start_that_came_while_it_was_down_is_launched_once(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "client")
    manager = fleet.programs["manager"]
    start = MISSION_START | {"task_wasm_image": "client"}
    manager.kill()
    bus.publish("fl/rounds/start", start)
    bus.publish("fl/rounds/start", start)
    manager.start()
    complete = bus.wait("fl/rounds/r-0001/complete", limit_s=60).json
    assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
    check_tasks(fleet, bus, 3)
    # And not again after one more restart.
    manager.kill()
    manager.start()
    fleet.await_alive(bus, *PROPLETS)
    bus.publish("fl/rounds/start", start)
    check_tasks(fleet, bus, 3)


def test_what_it_was_reading_when_it_died_comes_again(fleet, bus):
    """Killed in the burst that a message belongs to: at once after the start, at the
    first start of a task, its event, an update, a result."""
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "client")
    manager = fleet.programs["manager"]
    moments = [None, f"{P}/control/manager/tasks", f"{P}/control/manager/start/+",
               "fl/rounds/+/updates/+", f"{P}/control/proplet/results"]
    for n, moment in enumerate(moments * 2):
        mark = bus.mark()
        bus.publish("fl/rounds/start", MISSION_START | {
            "round_id": f"r-{n}", "task_wasm_image": "client"})
        if moment is not None:
            bus.wait(moment, after=mark)
        manager.kill()
        manager.start()
        complete = bus.wait(f"fl/rounds/r-{n}/complete", limit_s=90).json
        assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
    tasks = {(m.json["spec"]["round"]["id"], m.json["proplet_id"], m.json["id"])
             for m in bus.find(f"{P}/control/manager/start/+")}
    assert len(tasks) == 3 * 2 * len(moments)
    for _, _, task in tasks:
        bus.wait(f"{P}/control/manager/tasks",
                 lambda m: m.json["task_id"] == task and m.json["state"] != "running")
    told = ends(bus)
    assert {len(e) for e in told.values()} == {1}, told
    # A round that had all its updates may stop a guest that was just ending.
    assert set.union(*told.values()) <= {("completed", "completed"), ("failed", "stopped")}, told


def test_a_device_that_went_with_it_ends_its_task(fleet, bus):
    fleet.manager("--lost-after", "1")
    fleet.coordinator()
    fleet.model_server()
    for name in PROPLETS:
        fleet.proplet(name)
    fleet.await_alive(bus, *PROPLETS)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    slow_round(fleet, bus, k_of_n=2)
    fleet.programs["manager"].kill()
    fleet.programs["proplet-2"].kill()
    fleet.programs["manager"].start()
    event = bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "failed").json
    assert (event["proplet_id"], event["reason"]) in (
        ("proplet-2", "proplet_lost"), ("proplet-2", "launch_closed")), event
    complete = bus.wait("fl/rounds/r-0001/complete", limit_s=90).json
    assert (complete["status"], complete["num_updates"]) == ("completed", 2), complete


def test_a_damaged_database_is_named_and_left(fleet, bus):
    fleet.core(bus, ["proplet-1"])
    manager = fleet.programs["manager"]
    assert manager.stop() == 0
    path = fleet.folder / "manager" / "manager.db"
    damaged = bytearray(path.read_bytes())
    damaged[4096:8192] = b"\x5a" * 4096
    path.write_bytes(damaged)
    manager.start()
    assert manager.process.wait(30) == 1
    last = manager.text().strip().splitlines()[-1]
    assert "manager.failed" in last and "manager.db is damaged" in last, last
    assert path.read_bytes() == damaged
