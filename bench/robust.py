"""The robust rules on whole updates of random numbers, beside Flower's.

usage: robust.py [PARTICIPANTS PARAMS]        (100 1000000; FML_BUILD names the build)

Ours run in one thread and in two. Flower runs its own strategies on its own replies, as
its server calls them, in a process of its own and with as many threads as it likes. The
two take turns, so that what else happens on the machine meets both; each figure is the
median over all turns.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TURNS, REPEATS = 2, 3
# Flower's strategy for a rule, its arguments for n participants, and the ratio to reach.
PEERS = {
    "median": ("FedMedian", lambda n: {}, 10),
    "trimmed_mean": ("FedTrimmedAvg", lambda n: {"beta": 0.1}, 10),
    "krum": ("Krum", lambda n: {"num_malicious_nodes": n // 10}, 8),
}
LAYERS = 8
limits = []  # products a second that a thread can add at most


def flower(participants, params):
    """Prints the seconds of each run of each strategy. Runs where flwr is installed."""
    import logging

    import numpy as np
    from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
    from flwr.serverapp import strategy
    from flwr.supercore.task_identity import TaskIdentity

    logging.getLogger("flwr").setLevel(logging.ERROR)
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 1
    rng = np.random.default_rng(1)
    sizes = [len(part) for part in np.array_split(np.empty(params, np.uint8), LAYERS)]
    updates = [ArrayRecord([rng.standard_normal(size, dtype=np.float32) for size in sizes])
               for _ in range(participants)]

    def reply(node, update):
        # Some strategies take the arrays out of their replies: each run gets new ones.
        content = RecordDict({"arrays": ArrayRecord(dict(update.items())),
                              "metrics": MetricRecord({"num-examples": 100 + node})})
        return Message(content, dst_node_id=node + 1, message_type="train")

    for rule, (name, arguments, _) in PEERS.items():
        aggregate = getattr(strategy, name)(**arguments(participants))
        seconds = []
        for _ in range(REPEATS):
            replies = [reply(node, update) for node, update in enumerate(updates)]
            began = time.perf_counter()
            arrays, _ = aggregate.aggregate_train(1, replies)
            seconds.append(time.perf_counter() - began)
            assert arrays is not None
        print(json.dumps([rule, seconds]), flush=True)


def run_flower(participants, params):
    python = subprocess.run([ROOT / "tools" / "peer-python"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.strip()
    lines = subprocess.run(
        [python, __file__, "--flower", str(participants), str(params)], check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    # Its log goes to the same place.
    return dict(json.loads(line) for line in lines.splitlines() if line.startswith('["'))


def run_ours(participants, params):
    program = pathlib.Path(os.environ["FML_BUILD"]) / "bin" / "robust_bench"
    first, *lines = subprocess.run([program, str(participants), str(params), str(REPEATS)],
                                   check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    limits.append(float(first.split()[1]))
    return {(rule, threads): [float(seconds[threads - 1])]
            for rule, *seconds in map(str.split, lines) for threads in (1, 2)}


def main(participants, params):
    ours, theirs = {}, {}
    for _ in range(TURNS):
        for all_runs, run in ((ours, run_ours), (theirs, run_flower)):
            for key, seconds in run(participants, params).items():
                all_runs.setdefault(key, []).extend(seconds)
    ours, theirs = ({key: statistics.median(seconds) for key, seconds in runs.items()}
                    for runs in (ours, theirs))
    for (rule, threads), seconds in ours.items():
        row = (f"robust/{rule}: participants={participants} params={params} threads={threads} "
               f"seconds={seconds:.3f}")
        if rule in PEERS:
            target = PEERS[rule][2]
            ratio = theirs[rule] / seconds
            if rule == "krum" and max(limits) > 0:
                # Each pair of updates once, and each with itself, as exact float64 products.
                products = participants * (participants + 1) / 2 * params
                row += f" of_what_fma_can={products / seconds / threads / max(limits):.2f}"
            row += (f" flower_seconds={theirs[rule]:.3f} ratio={ratio:.1f} target={target} "
                    f"{'ok' if ratio >= target else 'short'}")
        print(row, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--flower"]:
        flower(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:3] or (100, 1000000)))
