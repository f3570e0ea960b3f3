"""fml-simulate: many virtual devices through the real broker, manager, coordinator and
model server. Only the devices are simulated, so what is checked is what went over the
broker."""

import os
import shutil
import time

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load

from fleet import BIN, P, WASM
from test_trajectory import VECTORS, device_folder, read_idx


def simulate(fleet, bus, count, *options):
    fleet.add("simulate", [
        BIN / "fml-simulate", "--broker", fleet.broker, "--devices", count,
        "--state-dir", fleet.folder / "simulate", *options])
    names = [f"device-{n}" for n in range(1, count + 1)]
    until = time.monotonic() + 60
    while set(bus.request(f"{P}/control/manager/query", {"what": "alive"})["alive"]) != set(names):
        assert time.monotonic() < until, "not all devices become alive"
        os.sched_yield()
    return names


def start(n, names, k, **fields):
    return {"round_id": f"r-{n}", "model_uri": f"fl/models/global_model_v{n - 1}",
            "task_wasm_image": "train", "participants": names, "k_of_n": k,
            "timeout_s": 60} | fields


def senders(bus, topic):
    return sorted(m.topic.split("/")[-1] for m in bus.find(topic))


def results(bus):
    return [m.json for m in bus.find(f"{P}/control/proplet/results")]


def test_each_of_two_hundred_devices_counts_once_in_each_round(fleet, bus):
    fleet.core(bus, [])
    fleet.push(WASM / "sum_client.wasm", "train")
    names = simulate(fleet, bus, 200)
    for n in (1, 2):
        done = fleet.round(bus, start(n, names, 200, hyperparams={"num_samples": 3}))
        assert (done["status"], done["num_updates"], done["total_samples"]) == (
            "completed", 200, 600), done
        assert senders(bus, f"fl/rounds/r-{n}/updates/+") == sorted(names)
        receipts = bus.find(f"fl/rounds/r-{n}/receipts/+")
        assert sorted(m.json["proplet_id"] for m in receipts) == sorted(names)
        assert {m.json["status"] for m in receipts} == {"accepted"}
    assert fleet.programs["simulate"].stop() == 0
    # Device i adds i to each parameter: the mean over all of them is exact.
    first = bus.wait("fl/models/global_model_v0").json
    last = bus.wait("fl/models/global_model_v2").json
    assert last["w"] == [w + 2 * 100.5 for w in first["w"]]
    assert [r["reason"] for r in results(bus)] == ["completed"] * 400
    assert len({r["task_id"] for r in results(bus)}) == 400


def test_what_devices_train_on_their_own_data_is_averaged_as_numpy_does(fleet, bus):
    images = read_idx(VECTORS / "train-images.idx3-ubyte")
    labels = read_idx(VECTORS / "train-labels.idx1-ubyte")
    parts = [np.loadtxt(VECTORS / f"partition-{c}.txt", dtype=int, ndmin=1) for c in range(10)]
    for c, part in enumerate(parts):
        device_folder(fleet.folder / "data" / f"device-{c + 1}", images[part], labels[part], c)
    shutil.copy(VECTORS / "mlp-initial.safetensors", fleet.folder / "initial.safetensors")
    fleet.manager()
    fleet.coordinator()
    fleet.model_server("--initial", fleet.folder / "initial.safetensors")
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "fml-train.wasm", "train")
    names = simulate(fleet, bus, 30, "--data-dir", fleet.folder / "data")
    done = fleet.round(bus, start(1, names, 30, hyperparams={
        "epochs": 1, "lr": 0.1, "batch_size": 32, "seed": 1, "round": 1}))
    assert (done["status"], done["num_updates"]) == ("completed", 30), done
    samples, updates = {}, {}
    for m in bus.find("fl/rounds/r-1/updates/+"):
        path = fleet.folder / "update"
        path.write_bytes(m.payload)
        with safe_open(path, "np") as f:
            name = m.topic.split("/")[-1]
            samples[name] = int(f.metadata()["num_samples"])
            updates[name] = load(m.payload)
    # Ten folders, thirty devices: each folder is that of three.
    assert samples == {f"device-{n}": len(parts[(n - 1) % 10]) for n in range(1, 31)}
    total = sum(samples.values())
    model = load(bus.wait("fl/models/global_model_v1").payload)
    for tensor, values in model.items():
        mean = sum(samples[n] / total * updates[n][tensor].astype(np.float64) for n in names)
        np.testing.assert_allclose(values, mean, rtol=1e-5, atol=1e-7)


def test_those_that_fall_silent_are_missed_and_no_others(fleet, bus):
    fleet.core(bus, [])
    fleet.push(WASM / "sum_client.wasm", "train")
    names = simulate(fleet, bus, 100, "--drop", "0.2", "--seed", "7")
    lost = fleet.round(bus, start(1, names, 100, timeout_s=2))
    heard = set(senders(bus, "fl/rounds/r-1/updates/+"))
    assert (lost["status"], lost["num_updates"]) == ("expired", len(heard)), lost
    assert 60 <= len(heard) < 100
    assert {r["proplet_id"] for r in results(bus)} == heard
    done = fleet.round(bus, start(2, names, 50) | {"model_uri": "fl/models/global_model_v0"})
    assert done["status"] == "completed", done


def test_a_module_that_fails_is_said_of_each_device(fleet, bus):
    fleet.core(bus, [])
    fleet.push(WASM / "trap.wasm", "train")
    names = simulate(fleet, bus, 20)
    bus.publish("fl/rounds/start", start(1, names, 20, timeout_s=2))
    bus.wait("fl/rounds/r-1/complete", lambda m: m.json["status"] == "expired")
    assert sorted(r["proplet_id"] for r in results(bus)) == sorted(names)
    assert {r["reason"] for r in results(bus)} == {"trap"}


def test_the_tool_starts_all_of_it_and_leaves_only_results(fleet):
    data = fleet.folder / "data"
    data.mkdir()
    for ours, theirs in [("train", "train"), ("test", "t10k")]:
        for kind in ("images-idx3", "labels-idx1"):
            shutil.copy(VECTORS / f"{ours}-{kind.replace('-', '.')}-ubyte",
                        data / f"{theirs}-{kind}-ubyte")
    done = fleet.tool("simulate", "--devices", 40, "--rounds", 2, "--clients-per-round", 15,
                      "--data", data, "--dir", fleet.folder / "work").stdout
    rounds = [line.split() for line in done.splitlines() if " 15/15 " in line]
    assert [r[:2] for r in rounds] == [["1", "15/15"], ["2", "15/15"]], done
    last = done.splitlines()[-1]
    assert last.startswith("simulate: devices=40 rounds=2 test_accuracy=0."), done
    assert "devices_per_second=" in last
    state = done.split("state, until the end, in ")
    assert len(state) == 1 or not os.path.exists(state[1].split()[0])
    left = {path.name for path in (fleet.folder / "work").iterdir()}
    assert {"logs", "rounds.csv", "global_model_v2.safetensors"} <= left
    assert not {"data", "proplets", "manager", "coordinator", "models"} & left
