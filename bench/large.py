"""A round with a model of 100 million parameters (400 MB) on four devices.

The real programs over the real broker. Measured: the whole round, the peak memory of
each program, and how fast the base reaches the devices and the coordinator through the
broker, beside what the same broker moves of parts of the same size between two
connections, and what the disk takes: each receiver writes what it gets, all to one disk. The new version is compared with numpy, to the last bit.
"""

import datetime
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402

from fleet import BIN, WASM, Fleet  # noqa: E402

PARAMS = int(os.environ.get("LARGE_PARAMS", 100_000_000))
NAMES = [f"proplet-{n}" for n in (1, 2, 3, 4)]
MODEL_MB = PARAMS * 4 / 1e6
LIMIT_S = 180


def peak_mb(program):
    status = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def when(program, event):
    """Seconds of the first and the last line of an event."""
    lines = [line.split()[0] for line in program.text().splitlines() if f" {event} " in line]
    stamps = [datetime.datetime.fromisoformat(stamp).timestamp() for stamp in lines]
    return stamps[0], stamps[-1]


def raw_rate(fleet):
    shown = subprocess.run([BIN / "raw_bench", fleet.broker, "1000"], capture_output=True,
                           text=True, check=True).stdout
    return float(shown.split("=")[1])


def disk_rate(fleet):
    """MB a second into one file that is synced at its end: what a receiver does besides."""
    path, block = fleet.folder / "disk", os.urandom(1 << 20)
    began = time.monotonic()
    with open(path, "wb") as file:
        for _ in range(1000):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.monotonic() - began
    path.unlink()
    return 1000 * len(block) / 1e6 / seconds


def begin(fleet, bus):
    values = np.arange(PARAMS, dtype=np.float32) % 1000
    initial = fleet.folder / "initial.safetensors"
    save_file({"a": values[: PARAMS // 2].reshape(-1, 1000), "b": values[PARAMS // 2:]}, initial)
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
    return values


def play(fleet, bus):
    began = time.monotonic()
    bus.publish("fl/rounds/start", {
        "round_id": "r-1", "model_uri": "fl/models/global_model_v0", "task_wasm_image": "sum",
        "participants": NAMES, "k_of_n": 4, "timeout_s": LIMIT_S, "hyperparams": {"file": 1}})
    done = bus.wait("fl/rounds/r-1/complete", limit_s=LIMIT_S).json
    assert (done["status"], done["num_updates"]) == ("completed", 4), done
    return time.monotonic() - began, done


def check(fleet, values, done):
    made = fleet.folder / "v1.safetensors"
    fleet.tool("models", "get", "1", "-o", made)
    assert "sha256:" + hashlib.sha256(made.read_bytes()).hexdigest() == done["model_digest"]
    tensors = load_file(made)
    flat = np.concatenate([tensors["a"].ravel(), tensors["b"].ravel()])
    assert np.array_equal(flat, values + np.float32(2.5)), "another result than numpy's"


def distribution_rate(fleet):
    """MB a second through the broker from the first question for the base to the last part."""
    proplets = [fleet.programs[name] for name in NAMES]
    first = min(when(p, "model.fetching")[0] for p in proplets)
    last = max(when(p, "model.fetched")[1] for p in proplets)
    return (len(NAMES) + 1) * MODEL_MB / (last - first)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-"))
    fleet = Fleet(folder)
    try:
        bus = fleet.bus(filters=("fl/rounds/+/complete", "fl/models/index", "test/#",
                                 "m/demo/c/fl/control/#"))
        raw, disk = raw_rate(fleet), disk_rate(fleet)
        values = begin(fleet, bus)
        broker_before = peak_mb(fleet.programs["mosquitto"])
        seconds, done = play(fleet, bus)
        peaks = {name: peak_mb(program) for name, program in fleet.programs.items()}
        rate = distribution_rate(fleet)
        check(fleet, values, done)
        broker, coordinator = peaks["mosquitto"], peaks["coordinator"] / MODEL_MB
        print(f"large/round: parameters={PARAMS} devices={len(NAMES)} seconds={seconds:.1f} "
              f"exact=yes", flush=True)
        print(f"large/broker: peak_rss_mb={broker:.0f} before_the_round={broker_before:.0f} "
              f"target=150 {'ok' if broker <= 150 else 'short'}", flush=True)
        print(f"large/coordinator: peak_rss_mb={peaks['coordinator']:.0f} "
              f"ratio_to_model={coordinator:.2f} target=2.20 "
              f"{'ok' if coordinator <= 2.2 else 'short'}", flush=True)
        print(f"large/others: model_server_peak_rss_mb={peaks['model-server']:.0f} "
              f"manager_peak_rss_mb={peaks['manager']:.0f} "
              f"proplet_peak_rss_mb={max(peaks[name] for name in NAMES):.0f}", flush=True)
        print(f"large/transfer: mb_per_second={rate:.0f} raw_mb_per_second={raw:.0f} "
              f"disk_mb_per_second={disk:.0f} ratio={rate / raw:.2f} target=0.50 {'ok' if rate >= 0.5 * raw else 'short'}",
              flush=True)
    except BaseException:
        print(f"large: the logs are in {folder}", file=sys.stderr)
        fleet.close()
        raise
    fleet.close()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
