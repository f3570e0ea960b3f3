"""What smaller updates cost in accuracy, and what they save.

Ten devices train the 784-64-10 MLP on MNIST (6,000 images each, one epoch a round) through
the real programs; an eleventh measures the last version on the 10,000 test images. The same
seeds each time, so that the first row, without compression, is what the others are held
against. The bytes are those of the updates of one round, as the coordinator counted them.
"""

import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from fleet import WASM, BIN, Fleet  # noqa: E402
from round import DEVICES, MNIST  # noqa: E402
from test_trajectory import device_folder, read_idx  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))
HOW = [
    ("none", {}),
    ("float16", {"dtype": "float16"}),
    ("bfloat16", {"dtype": "bfloat16"}),
    ("int8", {"dtype": "int8"}),
    ("int8-top-10%", {"dtype": "int8", "top_k": 0.1}),
    ("int8-top-1%", {"dtype": "int8", "top_k": 0.01}),
]


def devices(fleet):
    """Ten with their share of the training images, one with the test images."""
    images = read_idx(MNIST / "train-images-idx3-ubyte")
    labels = read_idx(MNIST / "train-labels-idx1-ubyte")
    shares = {f"proplet-{c}": (images[c::DEVICES], labels[c::DEVICES]) for c in range(DEVICES)}
    shares["evaluator"] = (read_idx(MNIST / "t10k-images-idx3-ubyte"),
                           read_idx(MNIST / "t10k-labels-idx1-ubyte"))
    for c, (name, (some, their)) in enumerate(shares.items()):
        data = device_folder(fleet.folder / "data" / name, some, their, c)
        (data / "dataset.json").write_text(
            json.dumps({"max_value": 255, "client": c, "classes": 10}))
        fleet.proplet(name, data, "--log-level", "warn")
    return list(shares)


def train(fleet, bus, name, how):
    """Gives the accuracy of the last version, a round's bytes and seconds."""
    participants = [f"proplet-{c}" for c in range(DEVICES)]
    base, sizes, seconds = "fl/models/global_model_v0", [], []
    for n in range(1, ROUNDS + 1):
        began = time.monotonic()
        done = fleet.round(bus, {
            "round_id": f"{name}-{n}".replace("%", ""), "model_uri": base,
            "task_wasm_image": "train", "participants": participants, "k_of_n": DEVICES,
            "timeout_s": 300, "hyperparams": {"lr": 0.1, "seed": 1, "round": n},
            "compression": how}, 300)
        seconds.append(time.monotonic() - began)
        assert (done["status"], done["num_updates"]) == ("completed", DEVICES), done
        base = done["model_topic"]
        sizes.append(done["update_bytes"])
    measured = fleet.round(bus, {
        "round_id": f"{name}-test".replace("%", ""), "model_uri": base,
        "task_wasm_image": "train", "participants": ["evaluator"], "k_of_n": 1,
        "mode": "evaluate", "timeout_s": 300, "hyperparams": {}}, 300)
    return measured["metrics"]["accuracy"], statistics.median(sizes), statistics.median(seconds)


def main():
    fleet = Fleet(pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-")))
    try:
        bus = fleet.bus(filters=("m/demo/c/fl/control/#", "fl/rounds/#", "fl/models/index",
                                 "test/#"))
        initial = fleet.folder / "v0.safetensors"
        fleet.tool("models", "init", "--layers", "784,64,10", "--seed", "1", "-o", initial)
        fleet.manager("--log-level", "warn")
        fleet.coordinator("--log-level", "warn")
        fleet.model_server("--initial", initial)
        fleet.await_alive(bus, *devices(fleet))
        bus.wait("fl/models/index")
        fleet.await_coordinator(bus)
        fleet.push(WASM / "fml-train.wasm", "train")
        plain = None
        for name, how in HOW:
            accuracy, size, seconds = train(fleet, bus, name, how)
            plain = plain or (accuracy, size)
            print(f"compress/{name}: devices={DEVICES} rounds={ROUNDS} accuracy={accuracy:.4f} "
                  f"accuracy_cost={plain[0] - accuracy:+.4f} round_kb={size / 1000:.1f} "
                  f"smaller={plain[1] / size:.1f} round_seconds={seconds:.3f}", flush=True)
    finally:
        fleet.close()


if __name__ == "__main__":
    assert BIN.exists()
    main()
