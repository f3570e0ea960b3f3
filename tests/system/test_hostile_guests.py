"""Each bad guest ends with its own name, leaves the host as it was, and the
same proplet runs the next task."""

import hashlib

import pytest

from fleet import MISSION_START, P, WASM

LIMITS = ["--memory-mb", "64", "--cpu-s", "20"]

# guest: (reason of the results, timeout_s of the round)
GUESTS = {
    "allocate_forever": ("memory_limit", 10),
    "flood_stdout": ("output_limit", 10),
    "escape_folder": ("exit_status", 10),
    "trap": ("trap", 10),
    "no_update": ("no_update", 10),
}


def start_of(name, round_id, timeout_s=30, **more):
    return MISSION_START | {"round_id": round_id, "participants": ["proplet-1"], "k_of_n": 1,
                            "task_wasm_image": name, "timeout_s": timeout_s} | more


def tree(folder):
    return {p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def device(fleet, bus):
    data = fleet.folder / "data"
    data.mkdir()
    (data / "private.txt").write_text("the device's own")
    fleet.manager()
    fleet.coordinator()
    fleet.model_server()
    fleet.proplet("proplet-1", data, *LIMITS)
    fleet.await_alive(bus, "proplet-1")
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "mission-client-c.wasm", "good")
    return fleet


@pytest.mark.parametrize("guest", GUESTS)
def test_it_ends_by_name_and_the_next_task_runs(device, bus, guest):
    reason, timeout_s = GUESTS[guest]
    data_before = tree(device.folder / "data")
    device.push(WASM / f"{guest}.wasm", guest)
    bus.publish("fl/rounds/start", start_of(guest, "bad", timeout_s))
    results = bus.wait(f"{P}/control/proplet/results").json
    assert results["reason"] == reason, results
    assert results["error"], "a failure without an error text"
    event = bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "failed").json
    assert event["reason"] == reason
    assert not bus.find("fl/rounds/bad/updates/+")

    # The next task on the same device is a good one, and nothing leaked over.
    assert device.round(bus, start_of("good", "good"))["status"] == "completed"
    assert tree(device.folder / "data") == data_before
    assert list((device.folder / "proplet-1" / "tasks").glob("*")) == []
    complete = bus.wait("fl/rounds/bad/complete").json
    assert (complete["status"], complete["num_updates"]) == ("expired", 0)


def test_a_guest_that_loops_is_killed_at_its_deadline(device, bus):
    wasm = WASM / "loop_forever.wasm"
    device.push(wasm, "loop")
    bus.publish(f"{P}/control/manager/start/proplet-1", {
        "id": "loop-1", "name": "loop", "state": 0, "image_url": "loop", "cli_args": None,
        "image_digest": "sha256:" + hashlib.sha256(wasm.read_bytes()).hexdigest(),
        "image_size": wasm.stat().st_size, "timeout_s": 2, "proplet_id": "proplet-1", "env": {}})
    results = bus.wait(f"{P}/control/proplet/results").json
    assert (results["task_id"], results["reason"]) == ("loop-1", "deadline")
    assert results["usage"]["wall_ms"] < 10_000
    assert device.round(bus, start_of("good", "good"))["status"] == "completed"


def test_a_guest_that_loops_does_not_outlive_its_round(device, bus):
    device.push(WASM / "loop_forever.wasm", "loop")
    complete = device.round(bus, start_of("loop", "bad", 2))
    assert (complete["status"], complete["num_updates"]) == ("expired", 0)
    # The task's own deadline and the end of its round come together: either ends it.
    assert bus.wait(f"{P}/control/proplet/results").json["reason"] in ("deadline", "stopped")
    assert device.round(bus, start_of("good", "good"))["status"] == "completed"


@pytest.mark.parametrize("guest,code", [("nan_update", "non_finite"),
                                        ("wrong_shape", "wrong_shape")])
def test_a_bad_update_is_refused_by_the_coordinator(device, bus, guest, code):
    device.push(WASM / f"{guest}.wasm", guest)
    bus.publish("fl/rounds/start", start_of(guest, "bad", 5))
    assert bus.wait("fl/rounds/bad/receipts/proplet-1").json["code"] == code
    complete = bus.wait("fl/rounds/bad/complete").json
    assert (complete["status"], complete["rejected"]) == ("expired", {code: 1})
    assert device.round(bus, start_of("good", "good"))["model_version"] == 1


def test_bytes_that_do_not_compile_are_named(device, bus):
    module = device.folder / "broken.wasm"
    module.write_bytes(b"\0asm\x01\0\0\0\xff\xff\xff")
    device.push(module, "broken")
    bus.publish("fl/rounds/start", start_of("broken", "bad", 5))
    assert bus.wait(f"{P}/control/proplet/results").json["reason"] == "image_invalid"
    assert device.round(bus, start_of("good", "good"))["status"] == "completed"


def test_the_heart_beats_while_a_guest_loops(device, bus):
    # The device of this test beats every 10 s; this one every second.
    device.proplet("proplet-2", None, "--alive-interval", "1")
    device.await_alive(bus, "proplet-2")
    device.push(WASM / "loop_forever.wasm", "loop")
    bus.publish("fl/rounds/start",
                start_of("loop", "loop", 60) | {"participants": ["proplet-2"]})
    bus.wait(f"{P}/control/manager/start/proplet-2")
    mark = bus.mark()
    bus.wait(f"{P}/control/proplet/alive", lambda m: m.json["proplet_id"] == "proplet-2",
             count=3, after=mark)
    assert not bus.find(f"{P}/control/proplet/results")
