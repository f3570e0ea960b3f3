"""Models beyond one message: they come and go in verified parts (PROTOCOL 2.9), and a
program that is killed in the middle of it costs time and nothing else."""

import hashlib
import os

import numpy as np
import pytest
from safetensors.numpy import load, save

from fleet import WASM

PARAMS = int(os.environ.get("LARGE_PARAMS", 12_000_000))  # a multiple of 2000; 48 MB
PARTS = -(-PARAMS * 4 // (1 << 20))  # the header fits into the last one
LIMIT_S = 120 + PARAMS // 1_000_000
NAMES = ["proplet-1", "proplet-2"]
GET = "fl/parts/get/{}"
AGAIN_MAX = 8  # twice what a receiver has under way


@pytest.fixture
def bus(fleet):
    """All but the parts themselves: they would go through this process, too."""
    return fleet.bus(filters=("fl/rounds/#", "fl/models/#", "fl/parts/get/#",
                              "m/demo/c/fl/control/#", "test/#"))


def initial_model():
    values = np.arange(PARAMS, dtype=np.float32) % 1000
    return {"a": values[:PARAMS // 2].reshape(-1, 1000), "b": values[PARAMS // 2:]}


def begin(fleet, bus):
    initial = fleet.folder / "initial.safetensors"
    initial.write_bytes(save(initial_model()))
    fleet.manager()
    bus.request("m/demo/c/fl/control/manager/query", {"what": "status"})
    fleet.coordinator()
    fleet.model_server("--initial", initial)
    for name in NAMES:
        fleet.proplet(name, None, "--memory-mb", "2048")
    fleet.await_alive(bus, *NAMES)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "sum_client.wasm", "sum")


def start(bus):
    bus.publish("fl/rounds/start", {
        "round_id": "r-1", "model_uri": "fl/models/global_model_v0", "task_wasm_image": "sum",
        "participants": NAMES, "k_of_n": 2, "timeout_s": LIMIT_S, "hyperparams": {"file": 1}})


def check_end(fleet, bus):
    done = bus.wait("fl/rounds/r-1/complete", limit_s=LIMIT_S).json
    assert (done["status"], done["num_updates"]) == ("completed", 2), done
    fleet.tool("models", "get", "1", "-o", "v1")
    made = (fleet.folder / "v1").read_bytes()
    assert "sha256:" + hashlib.sha256(made).hexdigest() == done["model_digest"]
    for name, tensor in load(made).items():
        assert np.array_equal(tensor, initial_model()[name] + np.float32(1.5)), name
    # What passes the broker is small, but for the parts.
    largest = max(len(m.payload) for m in bus.find("#"))
    assert largest <= 1 << 20, largest


def parts_asked(bus, holder, client):
    """The parts that a client asked for, in their order."""
    asked = (m.json for m in bus.find(GET.format(holder)))
    return [get["part"] for get in asked if get["client_id"] == client]


def test_a_large_model_goes_all_the_way_round(fleet, bus):
    begin(fleet, bus)
    start(bus)
    check_end(fleet, bus)
    for name in NAMES:
        assert sorted(parts_asked(bus, "fml-model-server", name)) == list(range(PARTS))
        assert sorted(parts_asked(bus, name, "fml-coordinator")) == list(range(PARTS))


def test_parts_fit_through_a_broker_that_takes_little(fleet, bus):
    """Parts of 1 MiB would never pass: these are of 256 KiB."""
    broker = fleet.programs["mosquitto"]
    broker.kill()
    with open(fleet.folder / "mosquitto.conf", "a") as config:
        config.write("max_packet_size 300000\n")
    broker.start()
    fleet._await_port()
    begin(fleet, bus)
    start(bus)
    check_end(fleet, bus)
    parts = list(range(-(-PARAMS * 4 // (1 << 18))))
    for name in NAMES:
        assert sorted(parts_asked(bus, "fml-model-server", name)) == parts
        assert sorted(parts_asked(bus, name, "fml-coordinator")) == parts


@pytest.mark.parametrize("program,holder,client", [
    ("model-server", "fml-model-server", "proplet-1"),  # the base goes to the devices
    ("proplet-1", "fml-model-server", "proplet-1"),
    ("manager", "fml-model-server", "proplet-1"),
    ("mosquitto", "fml-model-server", "proplet-1"),
    ("proplet-1", "proplet-1", "fml-coordinator"),  # the updates to the coordinator
    ("coordinator", "proplet-1", "fml-coordinator"),
    ("mosquitto", "proplet-1", "fml-coordinator"),
    ("coordinator", "fml-coordinator", "fml-model-server"),  # the version to its server
    ("model-server", "fml-coordinator", "fml-model-server"),
])
def test_a_kill_in_the_middle_costs_nothing(fleet, bus, program, holder, client):
    begin(fleet, bus)
    start(bus)
    bus.wait(GET.format(holder), lambda m: m.json["client_id"] == client, count=10)
    fleet.programs[program].kill()
    fleet.programs[program].start()
    check_end(fleet, bus)
    # A second time only those that were under way at the kill. (A bus whose broker is
    # killed does not see all.)
    asked = parts_asked(bus, holder, client)
    assert program == "mosquitto" or set(asked) == set(range(PARTS))
    assert len(asked) <= PARTS + AGAIN_MAX, asked
