"""Secure aggregation with real programs: the version is the mean of the updates, whoever drops
out when, and nobody but the device ever had one of them."""

import hashlib
import signal

import numpy as np
import pytest
from safetensors.numpy import load, save

from fleet import WASM, write

COUNT = 3000
TENSORS = {"a": np.linspace(-1, 1, COUNT, dtype=np.float32).reshape(3, -1),
           "b": np.arange(4, dtype=np.float32)}


def enroll(fleet, names, **more):
    """Keys, certificates and a policy that knows the fleet."""
    fleet.tool("fleet", "init", "fleet")
    fleet.tool("fleet", "enroll", *names, "--fleet", "fleet", "--out", "identities")
    key = (fleet.folder / "fleet" / "fleet.pub").read_text().strip()
    return write(fleet.folder / "policy.json",
                 {"version": 1, "fleet_key": key, "cohort_min": 3, **more})


def begin(fleet, bus, names, initial=save(TENSORS), **policy):
    path = fleet.folder / "initial"
    path.write_bytes(initial)
    rules = enroll(fleet, names, **policy)
    fleet.manager()
    fleet.coordinator("--fleet-key", fleet.folder / "fleet" / "fleet.pub")
    fleet.model_server("--initial", path)
    for name in names:
        fleet.proplet(name, None, "--identity", fleet.folder / "identities" / f"{name}.identity",
                      "--policy", rules)
    fleet.await_alive(bus, *names)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "sum_client.wasm", "sum")
    return "sha256:" + hashlib.sha256((WASM / "sum_client.wasm").read_bytes()).hexdigest()


def start(number, image, names, k, **more):
    privacy = {"secure_aggregation": {"phase_s": 5}, "clip": 1000, **more.pop("privacy", {})}
    return {"round_id": f"r-{number}", "model_uri": f"fl/models/global_model_v{number - 1}",
            "task_wasm_image": image, "participants": names, "k_of_n": k, "timeout_s": 60,
            "hyperparams": {"file": 1}, "privacy": privacy, **more}


def names_of(count):
    return [f"proplet-{i}" for i in range(1, count + 1)]


def test_the_version_is_the_mean(fleet, bus):
    names = names_of(4)
    image = begin(fleet, bus, names)
    done = fleet.round(bus, start(1, image, names, 4))
    assert (done["status"], done["num_updates"]) == ("completed", 4), done
    assert done["privacy"].startswith("secure aggregation (malicious server), clip 1000"), done
    made = load(bus.wait(done["model_topic"]).payload)
    for name, tensor in made.items():
        error = np.abs(tensor - (TENSORS[name] + np.float32(2.5))).max()
        assert error < 2e-3, (name, error)  # of whole numbers at this clip


# ---- who drops out when ----

ADVERTISE, SHARES, CONFIRM, UNMASK = 1, 3, 6, 8  # the fifth byte of a message


def said(bus, name, kind):
    """Waits for what a device says in this phase of round r-1."""
    bus.wait(f"fl/rounds/r-1/secagg/{name}", lambda m: m.payload[4] == kind)


def freeze(fleet, *names):
    for name in names:
        fleet.programs[name].process.send_signal(signal.SIGSTOP)


def thaw(fleet, *names):
    for name in names:
        fleet.programs[name].process.send_signal(signal.SIGCONT)


def hold_until(fleet, bus, phase, names, begin_round):
    """Begins the round and stops it at a phase that `names` have spoken in: others are frozen, so
    that it cannot go on. Gives those that are to be thawed."""
    frozen = [f"proplet-{i}" for i in (5, 6, 7)]
    if phase == "advertise":
        freeze(fleet, *frozen)
    begin_round()
    if phase == "masked":  # a guest is compiled before it can answer
        for name in frozen:
            said(bus, name, SHARES)
        freeze(fleet, *frozen)
    for name in names:
        if phase == "advertise":
            said(bus, name, ADVERTISE)
        if phase == "masked":
            bus.wait(f"fl/rounds/r-1/receipts/{name}", lambda m: m.json["code"] == "accepted")
    return frozen


def expect_mean(bus, done, devices, error=2e-3):
    made = load(bus.wait(done["model_topic"]).payload)
    mean = np.float32(sum(devices) / len(devices))
    for name, tensor in made.items():
        assert np.abs(tensor - (TENSORS[name] + mean)).max() < error, name


@pytest.mark.parametrize("phase,counted", [
    ("before", 6), ("advertise", 6), ("masked", 7)])
def test_a_device_that_is_killed_is_a_drop_out(fleet, bus, phase, counted):
    """`before` it advertises; after it advertised; after its masked update was counted: then it is
    in the sum, and the others give what is left of it."""
    names = names_of(7)
    image = begin(fleet, bus, names)
    wanted = start(1, image, names, 5, grace_s=2, privacy={
        "secure_aggregation": {"phase_s": 3}})
    if phase == "before":
        fleet.programs["proplet-1"].kill()
        bus.publish("fl/rounds/start", wanted)
    else:
        frozen = hold_until(fleet, bus, phase, ["proplet-1"],
                            lambda: bus.publish("fl/rounds/start", wanted))
        fleet.programs["proplet-1"].kill()
        thaw(fleet, *frozen)
    done = bus.wait("fl/rounds/r-1/complete").json
    assert (done["status"], done["num_updates"]) == ("completed", counted), done
    expect_mean(bus, done, range(8 - counted, 8))


@pytest.mark.parametrize("phase", ["advertise", "masked"])
def test_a_coordinator_that_is_killed_goes_on_in_the_same_phase(fleet, bus, phase):
    names = names_of(7)
    image = begin(fleet, bus, names)
    wanted = start(1, image, names, 7, privacy={"secure_aggregation": {"phase_s": 20}})
    frozen = hold_until(fleet, bus, phase, names[:4],
                        lambda: bus.publish("fl/rounds/start", wanted))
    fleet.programs["coordinator"].kill()
    fleet.programs["coordinator"].start()
    fleet.await_coordinator(bus)
    thaw(fleet, *frozen)
    done = bus.wait("fl/rounds/r-1/complete").json
    assert (done["status"], done["num_updates"]) == ("completed", 7), done
    expect_mean(bus, done, range(1, 8))


def test_too_few_end_the_round_by_name_and_the_next_has_fresh_keys(fleet, bus):
    names = names_of(4)
    image = begin(fleet, bus, names)
    for name in names[:2]:
        fleet.programs[name].kill()
    done = fleet.round(bus, start(1, image, names, 3, privacy={
        "secure_aggregation": {"phase_s": 2}}))
    assert (done["status"], done["reason"]) == ("failed", "too_few_advertised"), done
    assert done["num_updates"] == 0
    for name in names[:2]:
        fleet.programs[name].start()
    fleet.await_alive(bus, *names)
    done = fleet.round(bus, {**start(1, image, names, 4), "round_id": "r-2"})
    assert done["status"] == "completed", done
    keys = {m.payload[-128:-64] for m in bus.find("fl/rounds/+/secagg/proplet-3")
            if m.payload[4] == ADVERTISE}
    assert len(keys) == 2


# ---- what is refused ----

@pytest.mark.parametrize("change,says", [
    ({"aggregation": {"rule": "median"}}, "only the mean can be had of a sum"),
    ({"compression": {"dtype": "int8"}}, "compression does not go with privacy"),
    ({"k_of_n": 2}, "k_of_n must be 3 to 4 of 4"),
    ({"task_wasm_image": "sum"}, "must be a sha256: digest"),
    ({"privacy": {"secure_aggregation": {}, "clip": 1e6, "scale": 1e6}},
     "take a smaller scale"),
    ({"privacy": {"clip": 1}}, "protect nothing"),
])
def test_what_cannot_be_is_refused_before_it_begins(fleet, bus, change, says):
    names = names_of(4)
    path = fleet.folder / "initial"
    path.write_bytes(save(TENSORS))
    enroll(fleet, names)
    fleet.coordinator("--fleet-key", fleet.folder / "fleet" / "fleet.pub")
    fleet.await_coordinator(bus)
    wanted = {**start(1, "sha256:" + "0" * 64, names, 4), **change}
    done = fleet.round(bus, wanted)
    refused = bus.wait("fl/rounds/refused").json
    assert done["status"] == "failed" and done["num_updates"] == 0, done
    assert refused["code"] == "invalid" and says in refused["reason"], refused


def test_a_device_refuses_a_cohort_that_its_owner_finds_too_small(fleet, bus):
    names = names_of(4)
    image = begin(fleet, bus, names, cohort_min=10)
    done = fleet.round(bus, start(1, image, names, 4, privacy={
        "secure_aggregation": {"phase_s": 2}}))
    assert (done["status"], done["reason"]) == ("failed", "too_few_shared"), done
    results = [m.json for m in bus.find("m/demo/c/fl/control/proplet/results")]
    fleet.programs["proplet-1"].await_text("code=small_cohort")
    assert all(r["reason"] == "protection_failed" for r in results), results


def test_an_update_that_is_not_masked_is_refused_and_not_counted(fleet, bus):
    """A device without the round's protection sends what it has: it is not looked at."""
    names = names_of(4)
    image = begin(fleet, bus, names)
    freeze(fleet, "proplet-4")
    bus.publish("fl/rounds/start", start(1, image, names, 4))
    said(bus, "proplet-1", ADVERTISE)
    plain = save({k: v for k, v in TENSORS.items()}, {
        "round_id": "r-1", "base_model_uri": "fl/models/global_model_v0", "num_samples": "1"})
    bus.publish("fl/rounds/r-1/updates/proplet-4", plain)
    receipt = bus.wait("fl/rounds/r-1/receipts/proplet-4").json
    assert (receipt["status"], receipt["code"]) == ("rejected", "unprotected"), receipt
    thaw(fleet, "proplet-4")
    done = bus.wait("fl/rounds/r-1/complete").json
    assert done["status"] == "completed" and done["rejected"] == {"unprotected": 1}, done
