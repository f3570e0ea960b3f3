"""What the owner of a device does not allow does not run there, and counts nowhere."""

import json
import shutil
import signal

from fleet import MISSION_START, P, WASM, results_of, write

NAME = "proplet-1"


def begin(fleet, bus, policy, *options):
    """All programs, and one device with this policy."""
    path = write(fleet.folder / "policy.json", {"version": 1} | policy)
    fleet.manager()
    fleet.coordinator()
    fleet.model_server()
    fleet.proplet(NAME, None, "--policy", path, *options)
    fleet.await_alive(bus, NAME)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)


def start_of(round_id, image, base=0, **more):
    return MISSION_START | {
        "round_id": round_id, "model_uri": f"fl/models/global_model_v{base}",
        "task_wasm_image": image, "participants": [NAME], "k_of_n": 1, "timeout_s": 60} | more


def refuse(fleet, bus, start, rule):
    """The round's task is not allowed by this rule, and nothing is counted."""
    mark = bus.mark()
    done = fleet.round(bus, start | {"timeout_s": 4})
    event = bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "failed"
                     and m.json["launch_id"] == start["round_id"]).json
    assert event["reason"] == "not_allowed"
    results = results_of(bus, event["task_id"])
    assert results["reason"] == "not_allowed", results
    assert results["error"].startswith(f"{rule}: "), results
    assert (done["status"], done["num_updates"]) == ("expired", 0), done
    assert not bus.find(f"fl/rounds/{start['round_id']}/updates/+")
    assert not bus.find("fl/models/+", after=mark)


def test_only_images_of_a_publisher_run(fleet, bus):
    key = fleet.folder / "me.key"
    public = fleet.tool("fleet", "publisher", key).stdout.split()[-1]
    signed = fleet.folder / "signed.wasm"
    shutil.copy(WASM / "mission-client-c.wasm", signed)
    fleet.tool("images", "sign", signed, "--key", key)
    begin(fleet, bus, {"publishers": [public]})
    fleet.push(WASM / "mission-client-c.wasm", "plain")
    fleet.push(signed, "signed")

    refuse(fleet, bus, start_of("r-1", "plain"), "publishers")
    done = fleet.round(bus, start_of("r-2", "signed"))
    assert (done["status"], done["num_updates"]) == ("completed", 1), done
    # Not from the cache either.
    refuse(fleet, bus, start_of("r-3", "plain", base=1), "publishers")


def test_a_device_that_only_evaluates_does_not_train(fleet, bus):
    begin(fleet, bus, {"modes": ["evaluate"]})
    fleet.push(WASM / "mission-client-c.wasm", "client")
    fleet.push(WASM / "nan_update.wasm", "trains-all-the-same")

    refuse(fleet, bus, start_of("r-1", "client"), "modes")
    assert not bus.find(f"{P}/registry/get/manager", lambda m: m.json["client_id"] == NAME)
    done = fleet.round(bus, start_of("r-2", "client", mode="evaluate"))
    assert (done["status"], done["num_updates"]) == ("completed", 1), done
    refuse(fleet, bus, start_of("r-3", "trains-all-the-same", mode="evaluate"), "modes")


def test_the_last_round_was_the_last_also_for_the_next_life(fleet, bus):
    begin(fleet, bus, {"rounds_max": 1})
    fleet.push(WASM / "mission-client-c.wasm", "client")
    done = fleet.round(bus, start_of("r-1", "client"))
    assert (done["status"], done["num_updates"]) == ("completed", 1), done

    refuse(fleet, bus, start_of("r-2", "client", base=1), "rounds_max")
    proplet = fleet.programs[NAME]
    mark = bus.mark()
    proplet.kill()
    proplet.start()
    bus.wait(f"{P}/control/proplet/create", after=mark)
    fleet.await_alive(bus, NAME)
    refuse(fleet, bus, start_of("r-3", "client", base=1), "rounds_max")
    # What it measures is no training round.
    done = fleet.round(bus, start_of("r-4", "client", base=1, mode="evaluate"))
    assert (done["status"], done["num_updates"]) == ("completed", 1), done


def test_a_round_that_killed_its_device_was_taken(fleet, bus):
    """kill -9 while the guest runs: the count was on the disk before."""
    begin(fleet, bus, {"rounds_max": 1})
    fleet.push(WASM / "loop_forever.wasm", "loop")
    fleet.push(WASM / "mission-client-c.wasm", "client")
    proplet = fleet.programs[NAME]
    mark = bus.mark()
    bus.publish("fl/rounds/start", start_of("r-1", "loop", timeout_s=600))
    proplet.await_text("to=run")
    proplet.kill()
    proplet.start()
    results = bus.wait(f"{P}/control/proplet/results", after=mark).json
    assert results["reason"] == "interrupted"
    refuse(fleet, bus, start_of("r-2", "client"), "rounds_max")


def test_of_a_protected_round_only_the_reason_is_told(fleet, bus):
    fleet.core(bus, [NAME])
    fleet.push(WASM / "escape_folder.wasm", "bad")
    mark = bus.mark()
    start = start_of("r-1", "bad", timeout_s=4)
    fleet.round(bus, start)
    told = bus.wait(f"{P}/control/proplet/results", after=mark).json
    assert told["usage"]["wall_ms"] > 0 and told["error"]
    # The manager hands `privacy` on as it is.
    mark = bus.mark()
    bus.publish("fl/rounds/start", start | {
        "round_id": "r-2", "privacy": {"clip": 1, "noise": {"multiplier": 1}}})
    spec = bus.wait(f"{P}/control/manager/start/{NAME}", after=mark).json["spec"]
    assert spec["privacy"]["clip"] == 1
    quiet = bus.wait(f"{P}/control/proplet/results", after=mark).json
    assert quiet["reason"] == told["reason"] and quiet["error"] != told["error"]
    assert "usage" not in quiet


def start_alone(fleet, *options):
    """Starts the device only, which is to end at once. Gives its exit status and what it said."""
    program = fleet.proplet(NAME, None, *options)
    return program.process.wait(60), program.text()


def test_what_the_owner_gave_must_be_right(fleet):
    fleet.tool("fleet", "init", "f")
    fleet.tool("fleet", "enroll", NAME, "proplet-2", "--fleet", "f")
    mine, others = (fleet.folder / f"{n}.identity" for n in (NAME, "proplet-2"))
    assert "identity of proplet-2, not of proplet-1" in start_alone(fleet, "--identity", others)[1]
    mine.chmod(0o640)
    status, said = start_alone(fleet, "--identity", mine)
    assert status == 2 and "chmod 600" in said
    seed = json.loads(mine.read_text())["seed"]
    assert seed not in said
    policy = write(fleet.folder / "policy.json", {"version": 1, "rounds": 5})
    status, said = start_alone(fleet, "--policy", policy)
    assert status == 2 and "rounds" in said


def test_an_older_list_of_revocations_is_refused(fleet, bus):
    fleet.tool("fleet", "init", "f")
    fleet.tool("fleet", "enroll", NAME, "proplet-2", "proplet-3", "--fleet", "f")
    revocations = fleet.folder / "f" / "revocations"
    public = (fleet.folder / "f" / "fleet.pub").read_text().split()[0]
    path = write(fleet.folder / "policy.json", {"version": 1, "fleet_key": public})
    options = ["--identity", fleet.folder / f"{NAME}.identity", "--policy", path,
               "--revocations", revocations]
    proplet = fleet.proplet(NAME, None, *options)
    proplet.await_text("revocations.read number=0")
    old = revocations.read_bytes()
    fleet.tool("fleet", "revoke", "proplet-2", "--fleet", "f")
    proplet.process.send_signal(signal.SIGHUP)
    proplet.await_text("revocations.read number=1 count=1")
    revocations.write_bytes(old)
    proplet.process.send_signal(signal.SIGHUP)
    proplet.await_text("revocations.refused")
    assert proplet.process.poll() is None
    assert proplet.stop() == 0
    status, said = start_alone(fleet, *options)
    assert status == 1 and "proplet.refused" in said
