"""FedAvg on the digits set through the real programs, against numpy.

tests/vectors/digits holds the data, the partitions that the reference wrote, the
initial models and the reference's accuracy after every round. Ten proplets train
on their partitions; an eleventh holds the test images and evaluates each version.
"""

import json
import shutil
import struct

import numpy as np
import pytest

from fleet import ROOT, WASM

VECTORS = ROOT / "tests" / "vectors" / "digits"
ROUNDS = 20


def read_idx(path):
    data = path.read_bytes()
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4:4 + 4 * rank])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.tobytes())


def device_folder(folder, images, labels, client):
    folder.mkdir(parents=True)
    write_idx(folder / "images.idx3-ubyte", images)
    write_idx(folder / "labels.idx1-ubyte", labels)
    (folder / "dataset.json").write_text(
        json.dumps({"max_value": 16, "client": client, "classes": 10}))
    return folder


@pytest.mark.parametrize("model, guest", [
    ("lr", "fml-train"), ("mlp", "fml-train"), ("mlp", "fml-train-sgemm")])
def test_every_round_is_within_a_hundredth_of_the_reference(fleet, bus, model, guest):
    expected = json.loads((VECTORS / "expected.json").read_text())[model]
    images = read_idx(VECTORS / "train-images.idx3-ubyte")
    labels = read_idx(VECTORS / "train-labels.idx1-ubyte")
    names = [f"proplet-{c}" for c in range(10)]
    fleet.manager()
    fleet.coordinator()
    initial = fleet.folder / "initial.safetensors"
    shutil.copy(VECTORS / f"{model}-initial.safetensors", initial)
    fleet.model_server("--initial", initial)
    for c, name in enumerate(names):
        part = np.loadtxt(VECTORS / f"partition-{c}.txt", dtype=int, ndmin=1)
        fleet.proplet(name, device_folder(fleet.folder / "data" / name, images[part],
                                          labels[part], c))
    fleet.proplet("evaluator", device_folder(
        fleet.folder / "data" / "evaluator", read_idx(VECTORS / "test-images.idx3-ubyte"),
        read_idx(VECTORS / "test-labels.idx1-ubyte"), 0))
    fleet.await_alive(bus, *names, "evaluator")
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / f"{guest}.wasm", "train")

    measured = []
    for n in range(1, ROUNDS + 1):
        common = {"task_wasm_image": "train", "timeout_s": 60,
                  "hyperparams": {"epochs": 1, "lr": 0.1, "batch_size": 32, "seed": 1, "round": n}}
        trained = fleet.round(bus, common | {
            "round_id": f"train-{n}", "model_uri": f"fl/models/global_model_v{n - 1}",
            "participants": names, "k_of_n": 10})
        assert (trained["status"], trained["num_updates"]) == ("completed", 10), trained
        evaluated = fleet.round(bus, common | {
            "round_id": f"evaluate-{n}", "model_uri": trained["model_topic"], "mode": "evaluate",
            "participants": ["evaluator"], "k_of_n": 1})
        assert evaluated["status"] == "completed", evaluated
        measured.append(evaluated["metrics"]["accuracy"])
    worst = max(abs(m - e) for m, e in zip(measured, expected))
    print(f"{model} with {guest}: largest difference {worst:.4f}; final {measured[-1]:.4f}")
    assert worst <= 0.01, list(zip(measured, expected))
