"""Secure aggregation with real programs: the version is the mean of the updates, whoever drops
out when, and nobody but the device ever had one of them."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from fleet import WASM, await_path, write

COUNT = 3000
TENSORS = {"a": np.linspace(-1, 1, COUNT, dtype=np.float32).reshape(3, -1),
           "b": np.arange(4, dtype=np.float32)}
PHASES = ["advertise", "shares", "masked", "confirm", "unmask"]


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
