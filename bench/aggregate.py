"""Aggregation against the limits of memory and against peers, in one run.

Every ratio is the median over the passes of one machine's minute: ours and the peers'
times are taken in turns. A ratio above 1 is in our favour, and `ok` says that it reaches
its target. A peer that cannot be fetched is said to be not available.
"""

import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = pathlib.Path(os.environ["FML_BUILD"]) / "bin" / "aggregate_bench"
PASSES = 3
SIZES = [(10, 1_000_000, 15), (10, 10_000_000, 5), (100, 1_000_000, 5)]  # and repeats
# Each peer's row and the least ratio.
PEERS = {"numpy": ("numpy_float64", 3), "flower": ("flower_fedavg", 4), "nvflare": ("nvflare", 1.5)}
FILES, FILE_PARAMS = 100, 10_000_000
MEMORY_MB_MAX = 150
# Set on some machines for old versions of a library; they slow the peers' new ones.
PEER_ENVIRONMENT = {k: v for k, v in os.environ.items()
                    if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}


def row(name, ratio, target, **facts):
    said = " ".join(f"{key}={value}" for key, value in facts.items())
    line = f"aggregate/{name}: {said} ratio={ratio:.2f}"
    if target is not None:
        line += f" target={target} {'ok' if ratio >= target else 'short'}"
    print(line, flush=True)


def figures(*arguments):
    """The lines of a name and a number that one part prints."""
    out = subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True,
                         text=True).stdout
    return {name: float(number) for name, number in map(str.split, out.splitlines())}


def peers_python():
    done = subprocess.run([ROOT / "tools" / "peer-python"], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def peer_seconds(python, what, *arguments):
    """None if the peer is not there or does not run here."""
    if python is None:
        return None
    done = subprocess.run([python, ROOT / "bench" / "aggregate" / "peers.py", what,
                           *map(str, arguments)],
                          env=PEER_ENVIRONMENT, capture_output=True, text=True)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def memory():
    said = " ".join(f"{name}={gbps:.1f}" for name, gbps in figures("memory", 7).items())
    print(f"aggregate/stream_gbps: {said}", flush=True)


def mean(python, participants, params, repeats):
    passes, peers = [], {what: [] for what in PEERS}
    for _ in range(PASSES):
        passes.append(figures("mean", participants, params, repeats))
        for what in PEERS:
            peers[what].append(peer_seconds(python, what, participants, params, 3))
    name = f"mean_{participants}x{params // 1_000_000}M"
    size_gb = participants * params * 4 / 1e9

    def ratio(numerator, denominator):
        return statistics.median(p[numerator] / p[denominator] for p in passes)

    def gbps(what):
        return f"{size_gb / statistics.median(p[what] for p in passes):.1f}"

    row(f"{name}/streaming_kernel", ratio("stream", "fold_1"), 0.95, gbps=gbps("fold_1"),
        kernel_gbps=gbps("stream"), read_gbps=gbps("read_1"))
    # The second thread gains what memory has left: reading alone gains no more.
    row(f"{name}/two_threads", ratio("fold_1", "fold_2"), 1.6, gbps=gbps("fold_2"),
        read_gbps=gbps("read_2"), read_ratio=f"{ratio('read_1', 'read_2'):.2f}")
    for what, (peer, target) in PEERS.items():
        if None in peers[what]:
            print(f"aggregate/{name}/{peer}: peer not available", flush=True)
            continue
        times = [theirs / ours["fold_1"] for theirs, ours in zip(peers[what], passes)]
        row(f"{name}/{peer}", statistics.median(times), target,
            peer_gbps=f"{size_gb / statistics.median(peers[what]):.1f}")


def update():
    """One update of 40 MB from its bytes to its share of the mean."""
    passes = [figures("update", 10_000_000, 5) for _ in range(PASSES)]
    for name, what, target in (("decode_check_accumulate", "take_in", 0.7),
                               ("decode_distance_accumulate", "take_in_and_compare", None)):
        row(name, statistics.median(p["copy"] / p[what] for p in passes), target,
            gbps=f"{0.04 / statistics.median(p[what] for p in passes):.1f}",
            memcpy_gbps=f"{0.04 / statistics.median(p['copy'] for p in passes):.1f}")


def files():
    size_mb = FILES * FILE_PARAMS * 4 // 2**20
    name = f"memory_{FILES}x{FILE_PARAMS // 1_000_000}M"
    folder = tempfile.mkdtemp(prefix="fml-bench-")
    try:
        if shutil.disk_usage(folder).free < 2 * size_mb * 2**20:
            print(f"aggregate/{name}: not measured, {folder} has no room for {size_mb} MB")
            return
        figures("make-files", FILES, FILE_PARAMS, folder)
        passes = [figures("files", FILES, FILE_PARAMS, folder) for _ in range(PASSES)]
        peak_mb = max(p["peak_rss_mb"] for p in passes)
        seconds = statistics.median(p["fold"] for p in passes)
        row(name, MEMORY_MB_MAX / peak_mb, 1, peak_rss_mb=f"{peak_mb:.0f}",
            limit_mb=MEMORY_MB_MAX, updates_mb=size_mb, seconds=f"{seconds:.2f}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    python = peers_python()
    memory()
    for participants, params, repeats in SIZES:
        mean(python, participants, params, repeats)
    update()
    files()


if __name__ == "__main__":
    main()
