"""A device agent that is killed: its update is not lost and not counted twice, its
guest does not run twice, and what was interrupted is told once."""

import os
import signal
import subprocess
import time

import pytest

from fleet import MISSION_START, P, WASM, results_of

LIMIT_S = 60
ONE = MISSION_START | {"participants": ["proplet-1"], "k_of_n": 1, "timeout_s": 300}


def await_file(path, there=True):
    until = time.monotonic() + LIMIT_S
    while path.exists() != there:
        assert time.monotonic() < until, f"{path}: there is {not there}"
        os.sched_yield()


def results_for(bus, task):
    return [m for m in bus.find(f"{P}/control/proplet/results") if m.json["task_id"] == task]


def open_rounds(bus):
    return [r["round_id"] for r in bus.request("fl/rounds/query", {"what": "status"})["open"]]


@pytest.mark.parametrize("first_copy", ["waits", "is_lost"])
def test_an_update_outlives_its_sender(fleet, bus, first_copy):
    """Killed right after it was sent, while nobody is there to count it."""
    fleet.core(bus, ["proplet-1"])
    fleet.push(WASM / "slow_client.wasm", "slow")
    bus.publish("fl/rounds/start", ONE | {
        "task_wasm_image": "slow", "hyperparams": {"seconds": 3}})
    task = bus.wait(f"{P}/control/manager/start/proplet-1").json["id"]
    fleet.programs["proplet-1"].await_text("to=run")
    assert open_rounds(bus) == ["r-0001"]
    coordinator, proplet = fleet.programs["coordinator"], fleet.programs["proplet-1"]
    coordinator.process.send_signal(signal.SIGSTOP)
    if first_copy == "is_lost":
        fleet.programs["manager"].kill()  # nobody will pass it on
    update = bus.wait("fl/rounds/r-0001/updates/proplet-1").payload
    proplet.kill()
    kept = fleet.folder / "proplet-1" / "updates" / f"{task}.update"
    assert kept.read_bytes().endswith(update)

    if first_copy == "is_lost":
        broker = fleet.programs["mosquitto"]
        broker.kill()  # with all that it kept
        broker.start()
        fleet._await_port()
        fleet.programs["manager"].start()
    coordinator.process.send_signal(signal.SIGCONT)
    fleet.await_coordinator(bus)  # and the bus is back
    mark = bus.mark()
    proplet.start()

    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["num_updates"]) == ("completed", 1), complete
    assert complete["total_samples"] == 10
    # Once, from the very same bytes: the base model (zeros) and this device's number.
    sent = bus.find("fl/rounds/r-0001/updates/proplet-1")
    assert {m.payload for m in sent} == {update}
    if first_copy == "is_lost":
        bus.wait("fl/rounds/r-0001/updates/proplet-1", after=mark)
    assert len(bus.find("fl/models/publish")) == 1
    model = bus.wait(complete["model_topic"]).json
    base = bus.wait(ONE["model_uri"]).json
    assert model["w"] == [w + 1 for w in base["w"]] and model["b"] == base["b"] + 1

    # It is settled, its task has one answer, and its guest ran once.
    await_file(kept, there=False)
    results = bus.wait(f"{P}/control/proplet/results", lambda m: m.json["task_id"] == task)
    assert results.json["reason"] == "completed"
    assert {m.payload for m in results_for(bus, task)} == {results.payload}
    assert proplet.text().count("to=run") == 1


def test_an_interrupted_task_is_told_once(fleet, bus):
    fleet.core(bus, ["proplet-1"])
    fleet.push(WASM / "loop_forever.wasm", "loop")
    fleet.push(WASM / "sum_client.wasm", "sum")
    bus.publish("fl/rounds/start", ONE | {"task_wasm_image": "loop"})
    start = bus.wait(f"{P}/control/manager/start/proplet-1")
    task = start.json["id"]
    proplet = fleet.programs["proplet-1"]
    proplet.await_text("to=run")
    proplet.kill()
    proplet.start()
    assert results_of(bus, task)["reason"] == "interrupted"
    await_file(fleet.folder / "proplet-1" / "results" / f"{task}.sent")
    proplet.kill()
    mark = bus.mark()
    proplet.start()
    bus.wait(f"{P}/control/proplet/create", after=mark)
    fleet.await_alive(bus, "proplet-1")

    # The next round works, and nothing more was said of the first task...
    complete = fleet.round(bus, ONE | {"round_id": "r-2", "task_wasm_image": "sum"})
    assert (complete["status"], complete["num_updates"]) == ("completed", 1), complete
    assert len(results_for(bus, task)) == 1
    # ...until it is asked for again: the same answer, and no guest runs.
    mark = bus.mark()
    bus.publish(start.topic, start.payload)
    again = bus.wait(f"{P}/control/proplet/results",
                     lambda m: m.json["task_id"] == task, after=mark)
    assert again.payload == results_for(bus, task)[0].payload
    assert not bus.find("fl/rounds/r-0001/updates/+")
    assert proplet.text().count(f"task={task} from=ready to=run") == 1


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder],
                             capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_named_and_passes(fleet, bus, small_disk):
    fleet.core(bus, [])
    fleet.proplet("proplet-1", None, "--state-dir", small_disk / "state")
    fleet.await_alive(bus, "proplet-1")
    fleet.push(WASM / "sum_client.wasm", "sum")
    start = ONE | {"task_wasm_image": "sum"}
    assert fleet.round(bus, start | {"round_id": "r-1"})["num_updates"] == 1

    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
        while file.write(bytes(4096)):
            pass
    bus.publish("fl/rounds/start", start | {"round_id": "r-2"})
    results = bus.wait(f"{P}/control/proplet/results", lambda m: m.json["error"]).json
    assert results["reason"] == "disk_full", results
    assert not bus.find("fl/rounds/r-2/updates/+")

    filler.unlink()
    complete = fleet.round(bus, start | {"round_id": "r-3"})
    assert (complete["status"], complete["num_updates"]) == ("completed", 1), complete
    assert not bus.find("fl/rounds/r-2/updates/+")
