"""What the coordinator needs at its peak for 10, 100 and 1,000 updates of one size.

The real coordinator, model server and broker; updates of a million parameters (4 MB) come
from a publisher that has at most four under way, so that it is the round's memory that is
measured and not that of messages. Each row has a coordinator of its own. Where there are
two processors, the time from the last update to `complete` is also taken with one and
with two threads: its transfer, its commit, the aggregation and the version's way.
"""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402
from safetensors.numpy import load_file, save, save_file  # noqa: E402

from fleet import Fleet  # noqa: E402
from publisher import packet, publish_all  # noqa: E402

PARAMS = int(os.environ.get("MEMORY_PARAMS", 1_000_000))
MODEL_MB = PARAMS * 4 / 1e6
BASE = "fl/models/global_model_v0"
UNDER_WAY = 4
GROWTH_MAX = 1.3


def update(value):
    return save({"w": np.full(PARAMS, value, np.float32)},
                {"round_id": "r-1", "base_model_uri": BASE, "num_samples": "1"})


UPDATES = [update(v) for v in (1, 2, 3, 10)]
RESULTS = {"mean": 4.0, "median": 2.5}  # of whole fours


def peak_mb(program):
    status = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def send(fleet, bus, names, first):
    """Gives when the first of them was sent; all have their receipt then."""
    began = time.monotonic()
    publish_all(fleet.port, [
        packet(i, "fml/updates", UPDATES[(first + i) % 4], round="r-1", sender=name)
        for i, name in enumerate(names)])
    for name in names:
        receipt = bus.wait(f"fl/rounds/r-1/receipts/{name}", limit_s=300)
        assert receipt.json["code"] == "accepted", receipt
    return began


def play(fleet, count, rule, threads):
    """Gives the peak in MB, and seconds from the last update to complete."""
    names = [f"p{i:04}" for i in range(count)]
    bus = fleet.bus(filters=("fl/rounds/+/complete", "fl/rounds/+/receipts/+",
                             "fl/models/index", "test/#"))
    initial = fleet.folder / "initial.safetensors"
    save_file({"w": np.zeros(PARAMS, np.float32)}, initial)
    coordinator = fleet.coordinator("--log-level", "warn", "--threads", threads)
    fleet.model_server("--initial", initial)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    bus.publish("fl/rounds/start", {
        "round_id": "r-1", "model_uri": BASE, "task_wasm_image": "none", "participants": names,
        "k_of_n": count, "timeout_s": 3600, "aggregation": {"rule": rule}})
    for first in range(0, count - 1, UNDER_WAY):
        send(fleet, bus, names[first:min(first + UNDER_WAY, count - 1)], first)
    began = send(fleet, bus, names[-1:], count - 1)
    done = bus.wait("fl/rounds/r-1/complete", limit_s=300).json
    seconds = time.monotonic() - began
    assert (done["status"], done["num_updates"]) == ("completed", count), done
    peak = peak_mb(coordinator)
    made = fleet.folder / "v1.safetensors"
    fleet.tool("models", "get", "1", "-o", made)
    if count % 4 == 0:
        assert (load_file(made)["w"] == np.float32(RESULTS[rule])).all(), "another result"
    return peak, seconds


def measure(count, rule, threads):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-"))
    fleet = Fleet(folder)
    try:
        return play(fleet, count, rule, threads)
    finally:
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


def row(rule, count, peak, least=None):
    line = (f"memory/{rule}: updates={count} update_mb={MODEL_MB:.0f} peak_rss_mb={peak:.0f} "
            f"ratio_to_model={peak / MODEL_MB:.1f}")
    if least is not None:
        line += (f" ratio_to_10={peak / least:.2f} target={GROWTH_MAX} "
                 f"{'ok' if peak <= GROWTH_MAX * least else 'short'}")
    print(line, flush=True)


def main():
    threads = min(2, os.cpu_count())
    least, _ = measure(10, "mean", threads)
    row("mean", 10, least)
    row("mean", 100, measure(100, "mean", threads)[0], least)
    peak, two = measure(1000, "mean", threads)
    row("mean", 1000, peak, least)
    row("median", 100, measure(100, "median", threads)[0])
    if threads < 2:
        return
    _, one = measure(1000, "mean", 1)
    print(f"memory/threads: updates=1000 seconds_one={one:.2f} seconds_two={two:.2f} "
          f"update_mb_per_second_two={1000 * MODEL_MB / two:.0f} ratio={one / two:.2f}",
          flush=True)


if __name__ == "__main__":
    main()
