"""Seconds per round on ten devices, split into training and everything else.

Ten proplets train the 784-64-10 MLP on MNIST, through the real broker and the real
programs. A round's time is from its start message to its complete, at an observer.
Training is the longest time a runner process lived among the participants; the rest
is fetching the model, the update's way, judging, aggregating, storing, publishing.
A second series trains on one image per device: what is left is the round itself.
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
sys.dont_write_bytecode = True

from fleet import P, WASM, BIN, Fleet  # noqa: E402
from test_trajectory import device_folder, read_idx  # noqa: E402

DEVICES = 10
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))
MNIST = pathlib.Path(
    os.environ.get("FML_CACHE")
    or os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "fml")
) / "mnist"


def series(name, images, labels, per_device, rounds):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-"))
    fleet = Fleet(folder)
    try:
        bus = fleet.bus(filters=("m/#", "fl/rounds/#", "fl/models/index", "test/#"))
        names = [f"proplet-{c}" for c in range(DEVICES)]
        initial = folder / "v0.safetensors"
        fleet.tool("models", "init", "--layers", "784,64,10", "--seed", "1", "-o", initial)
        fleet.manager("--log-level", "warn")
        fleet.coordinator("--log-level", "warn")
        fleet.model_server("--initial", initial)
        for c, proplet in enumerate(names):
            some = slice(c * per_device, (c + 1) * per_device)
            data = device_folder(folder / "data" / proplet, images[some], labels[some], c)
            (data / "dataset.json").write_text(
                json.dumps({"max_value": 255, "client": c, "classes": 10}))
            fleet.proplet(proplet, data, "--log-level", "warn")
        fleet.await_alive(bus, *names)
        bus.wait("fl/models/index")
        fleet.await_coordinator(bus)
        fleet.push(WASM / "fml-train.wasm", "train")
        total, training = [], []
        for n in range(rounds + 1):  # the first fetches and compiles: not counted
            mark, began = bus.mark(), time.monotonic()
            complete = fleet.round(bus, {
                "round_id": f"r-{n}", "model_uri": f"fl/models/global_model_v{n}",
                "task_wasm_image": "train", "participants": names, "k_of_n": DEVICES,
                "timeout_s": 300, "hyperparams": {"lr": 0.1, "seed": 1, "round": n + 1}}, 300)
            seconds = time.monotonic() - began
            assert complete["num_updates"] == DEVICES, complete
            results = bus.wait(f"{P}/control/proplet/results", count=DEVICES, after=mark)
            if n > 0:
                total.append(seconds)
                training.append(max(r.json["usage"]["wall_ms"] for r in results) / 1000)
        whole, inside = statistics.median(total), statistics.median(training)
        rest = statistics.median(t - i for t, i in zip(total, training))
        print(f"round/{name}: devices={DEVICES} images={per_device * DEVICES} rounds={rounds} "
              f"seconds={whole:.3f} training={inside:.3f} everything_else={rest:.3f} "
              f"else_ratio={rest / whole:.3f} target=0.050 "
              f"{'ok' if rest <= 0.05 else 'short'}", flush=True)
    finally:
        fleet.close()


def main():
    images = read_idx(MNIST / "train-images-idx3-ubyte")
    labels = read_idx(MNIST / "train-labels-idx1-ubyte")
    series("mnist", images, labels, len(images) // DEVICES, ROUNDS)
    series("one-image", images, labels, 1, ROUNDS)


if __name__ == "__main__":
    assert BIN.exists()
    main()
