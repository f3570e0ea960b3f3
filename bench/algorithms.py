"""What each algorithm of `fml simulate` makes of the same data.

A hundred virtual devices have MNIST dealt out unevenly (Dirichlet, 0.1: most know two or
three digits), twenty of them train at a time (784-64-10, one epoch), and after a thousand
updates the model is measured. The same seeds each time, so the same devices begin alike. The
accuracy is the mean of the last tenth of the versions, as it goes up and down from one to the
next with such data. Nothing was tuned but the rate of the adaptive server optimisers.
"""

import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ["FML_BUILD"]) / "bin"
DEVICES, AT_ONCE, K = 100, 20, 5
UPDATES = int(os.environ.get("BENCH_UPDATES", "1000"))
SMALL = {"rate": 0.01, "tau": 0.001}
HOW = [
    ("fedavg", ["--algorithm", "fedavg"]),
    ("fedprox", ["--algorithm", "fedprox"]),
    ("fednova", ["--algorithm", "fednova"]),
    ("fedavgm", ["--algorithm", "fedavgm"]),
    ("fedadagrad", {"optimiser": {"kind": "fedadagrad", **SMALL}}),
    ("fedadam", {"optimiser": {"kind": "fedadam", **SMALL}}),
    ("fedyogi", {"optimiser": {"kind": "fedyogi", **SMALL}}),
    ("fedbuff", ["--algorithm", "fedbuff", "--k", K / AT_ONCE]),
    ("median", {"rule": "median"}),
    ("trimmed-mean", {"rule": "trimmed_mean", "trim": 0.1}),
    ("multi-krum", {"rule": "multi_krum", "byzantine": 2, "keep": 10}),
    ("krum", {"rule": "krum", "byzantine": 2}),
    ("geometric-median", {"rule": "geometric_median"}),
    ("norm-bound", {"rule": "norm_bound", "bound": 1.0}),
]


def simulate(folder, options, rounds):
    argv = [BIN / "fml", "simulate", "--devices", DEVICES, "--clients-per-round", AT_ONCE,
            "--alpha", 0.1, "--seed", 1, "--rounds", rounds, "--dir", folder, *options]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{argv}: {done.stdout}\n{done.stderr}")
    with open(folder / "rounds.csv") as file:
        return list(csv.DictReader(file))


def main():
    for name, how in HOW:
        options = how if isinstance(how, list) else ["--aggregation", json.dumps(how)]
        rounds = UPDATES // (K if name == "fedbuff" else AT_ONCE)
        with tempfile.TemporaryDirectory(prefix="fml-bench-") as folder:
            rows = simulate(pathlib.Path(folder) / "run", options, rounds)
        last = [float(row["test_accuracy"]) for row in rows[-max(1, len(rows) // 10):]]
        counted = sum(int(row["counted"]) for row in rows)
        print(f"algorithms/{name}: accuracy={statistics.mean(last):.4f} versions={len(rows)} "
              f"updates={counted} options={' '.join(str(o) for o in options[1:])}", flush=True)


if __name__ == "__main__":
    main()
