"""A thousand virtual devices, beside Flower's simulation.

usage: simulate.py [DEVICES ROUNDS]                  (1000 3; FML_BUILD names the build)

The same task for both: MNIST dealt evenly, so 60 images for each of 1,000 devices, one epoch
in batches of 32 at a rate of 0.1 of a network of 784, 64 and 10 units (50,890 parameters),
all devices in each round, FedAvg by samples. Ours is `fml simulate`: Wasm guests, every
message over mosquitto, every update kept before its receipt. Flower's is its simulation
engine with Ray, one processor for each client, and a client in plain numpy, which is its
fastest: no torch to import, the data mapped once for each process. Flower keeps nothing. A
figure is updates in a second of a training round: for Flower from the configuration of a
round to its aggregate. First rounds, in which programs and modules are loaded, are shown and
do not count; the others by their median. The two take turns.
"""

import csv
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TURNS = 2
TARGET = 10
HIDDEN, CLASSES, RATE, BATCH = 64, 10, 0.1, 32


def mnist():
    cache = os.environ.get("FML_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "fml"
    return pathlib.Path(cache) / "mnist"


# ---- Flower's side: runs where flwr and ray are installed ----


def flower_client(folder, devices):
    from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.train()
    def train(msg, context):
        import numpy as np

        images = np.load(f"{folder}/images.npy", mmap_mode="r")
        labels = np.load(f"{folder}/labels.npy", mmap_mode="r")
        number = int(context.node_config["partition-id"])
        x = images[number::devices].astype(np.float32) / 255
        y = labels[number::devices]
        w1, b1, w2, b2 = (a.copy() for a in msg.content["arrays"].to_numpy_ndarrays())
        order = np.random.default_rng(number).permutation(len(y))
        for at in range(0, len(y), BATCH):
            batch = order[at:at + BATCH]
            xb, yb = x[batch], y[batch]
            hidden = np.maximum(xb @ w1 + b1, 0)
            scores = hidden @ w2 + b2
            scores -= scores.max(axis=1, keepdims=True)
            slope = np.exp(scores)
            slope /= slope.sum(axis=1, keepdims=True)
            slope[np.arange(len(yb)), yb] -= 1
            slope /= len(yb)
            back = (slope @ w2.T) * (hidden > 0)
            w2 -= RATE * (hidden.T @ slope)
            b2 -= RATE * slope.sum(axis=0)
            w1 -= RATE * (xb.T @ back)
            b1 -= RATE * back.sum(axis=0)
        content = RecordDict({"arrays": ArrayRecord([w1, b1, w2, b2]),
                              "metrics": MetricRecord({"num-examples": len(y)})})
        return Message(content=content, reply_to=msg)

    return app


def flower_server(rounds, seconds):
    import numpy as np
    from flwr.app import ArrayRecord
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import FedAvg

    class Timed(FedAvg):
        def configure_train(self, *args):
            self.began = time.perf_counter()
            return super().configure_train(*args)

        def aggregate_train(self, server_round, replies):
            replies = list(replies)
            counted = sum(not r.has_error() for r in replies)
            result = super().aggregate_train(server_round, replies)
            seconds.append([counted, time.perf_counter() - self.began])
            return result

    app = ServerApp()

    @app.main()
    def run(grid, context):
        rng = np.random.default_rng(1)
        bound1, bound2 = (6 / (784 + HIDDEN)) ** 0.5, (6 / (HIDDEN + CLASSES)) ** 0.5
        first = [rng.uniform(-bound1, bound1, (784, HIDDEN)).astype(np.float32),
                 np.zeros(HIDDEN, np.float32),
                 rng.uniform(-bound2, bound2, (HIDDEN, CLASSES)).astype(np.float32),
                 np.zeros(CLASSES, np.float32)]
        Timed(fraction_train=1.0, fraction_evaluate=0.0).start(
            grid=grid, initial_arrays=ArrayRecord(first), num_rounds=rounds)

    return app


def flower(devices, rounds):
    """Prints [updates, seconds] of each round."""
    import numpy as np
    from flwr.simulation import run_simulation

    with tempfile.TemporaryDirectory() as folder:
        images = np.fromfile(mnist() / "train-images-idx3-ubyte", np.uint8, offset=16)
        np.save(f"{folder}/images.npy", images.reshape(-1, 784))
        np.save(f"{folder}/labels.npy",
                np.fromfile(mnist() / "train-labels-idx1-ubyte", np.uint8, offset=8))
        seconds = []
        run_simulation(
            flower_server(rounds, seconds), flower_client(folder, devices), devices,
            backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}})
        print(json.dumps(seconds), flush=True)


def run_flower(devices, rounds):
    """As flower() prints it."""
    python = subprocess.run([ROOT / "tools" / "peer-python"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "FLWR_TELEMETRY_ENABLED": "0",
           "OPENBLAS_NUM_THREADS": "1"}
    lines = subprocess.run(
        [python, __file__, "--flower", str(devices), str(rounds)], check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env).stdout.splitlines()
    return json.loads(next(line for line in lines if line.startswith("[[")))


# ---- ours ----


def run_ours(devices, rounds):
    """[updates, seconds] of each round, and the memory as the tool says it."""
    tool = pathlib.Path(os.environ["FML_BUILD"]) / "bin" / "fml"
    with tempfile.TemporaryDirectory() as folder:
        text = subprocess.run(
            [tool, "simulate", "--devices", str(devices), "--rounds", str(rounds), "--alpha",
             "1000000", "--data", mnist(), "--dir", f"{folder}/work"],
            check=True, text=True, stdout=subprocess.PIPE).stdout
        with open(f"{folder}/work/rounds.csv") as rows:
            done = [[int(r["counted"]), float(r["seconds"])] for r in csv.DictReader(rows)]
    return done, re.search(r"^memory +(.*) \(peaks\)$", text, re.M)[1]


def rates(rounds, devices):
    # Flower begins its first round before all of its clients are there.
    assert all(counted == devices for counted, _ in rounds[1:]), rounds
    return [counted / seconds for counted, seconds in rounds]


def main(devices, rounds):
    ours, theirs, memory = [], [], ""
    for _ in range(TURNS):
        done, memory = run_ours(devices, rounds)
        ours.append(rates(done, devices))
        theirs.append(rates(run_flower(devices, rounds), devices))
    for name, runs in (("fml", ours), ("flower", theirs)):
        for run in runs:
            print(f"simulate/{name}: devices={devices} devices_per_second="
                  f"{','.join(f'{rate:.0f}' for rate in run)}")
    fml, flower_rate = (statistics.median(rate for run in runs for rate in run[1:])
                        for runs in (ours, theirs))
    ratio = fml / flower_rate
    print(f"simulate/memory: {memory}")
    print(f"simulate: devices={devices} params=50890 devices_per_second={fml:.0f} "
          f"flower_devices_per_second={flower_rate:.0f} ratio={ratio:.1f} target={TARGET} "
          f"{'ok' if ratio >= TARGET else 'short'}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--flower"]:
        flower(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:3] or (1000, 3)))
