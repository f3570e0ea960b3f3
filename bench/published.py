"""The time from the last needed update to the new version on its topic.

In between lie the update's commit, the version's bytes on the coordinator's disk, the
way to the model server, its own bytes and index on the disk, and the way back. The
peers, measured in turn with it: one message through the same broker to who sent it,
and one synced write to the same disk.
"""

import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

from fleet import MISSION_START, Fleet  # noqa: E402
from test_refusals import update  # noqa: E402

ROUNDS = 50
PARTICIPANTS = MISSION_START["participants"]


def seconds_of_a_round(bus, n):
    round_id, base = f"r-{n}", "fl/models/global_model_v0"
    bus.publish("fl/rounds/start", MISSION_START | {
        "round_id": round_id, "model_uri": base, "timeout_s": 600})
    for name in PARTICIPANTS[:-1]:
        bus.publish("fml/updates", update(round_id=round_id), sender=name, round=round_id)
        bus.wait(f"fl/rounds/{round_id}/receipts/{name}")
    mark = bus.mark()
    began = time.monotonic()
    bus.publish("fml/updates", update(round_id=round_id), sender=PARTICIPANTS[-1],
                round=round_id)
    bus.wait(f"fl/models/global_model_v{n + 1}", after=mark)
    seconds = time.monotonic() - began
    bus.wait(f"fl/rounds/{round_id}/complete", after=mark)
    return seconds


def seconds_of_a_round_trip(bus):
    mark = bus.mark()
    began = time.monotonic()
    bus.publish("bench/trip", update())
    bus.wait("bench/trip", after=mark)
    return time.monotonic() - began


def seconds_of_a_synced_write(file):
    began = time.monotonic()
    os.pwrite(file, bytes(4096), 0)
    os.fsync(file)
    return time.monotonic() - began


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-"))
    fleet = Fleet(folder)
    file = os.open(folder / "synced", os.O_CREAT | os.O_WRONLY)
    try:
        fleet.coordinator("--log-level", "warn")
        fleet.model_server()
        bus = fleet.bus(filters=("fl/models/+", "fl/rounds/+/receipts/+",
                                 "fl/rounds/+/complete", "bench/trip", "test/answer/#"))
        bus.wait("fl/models/index")
        fleet.await_coordinator(bus)
        rounds, trips, writes = [], [], []
        for n in range(ROUNDS):
            rounds.append(seconds_of_a_round(bus, n))
            trips.append(seconds_of_a_round_trip(bus))
            writes.append(seconds_of_a_synced_write(file))
        published, trip, write = map(statistics.median, (rounds, trips, writes))
        print(f"published/latency: rounds={ROUNDS} median_ms={published * 1e3:.1f} "
              f"broker_round_trip_ms={trip * 1e3:.2f} ratio={published / trip:.1f} "
              f"synced_write_ms={write * 1e3:.2f}", flush=True)
    finally:
        os.close(file)
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
