"""Durable updates a second, from the wire to the receipt, and the time to come back.

Two rounds take 10,000 updates from as many participants, of whom each round has one
more, so that it stays open. Each update is counted when its receipt is seen, which
leaves after the commit.
The peer is the same broker, delivering the same bytes from the same publisher to the
same observer in the same run. Then the coordinator is killed, and it is measured how
long a new one takes from its start to its first answer with all of them counted.
"""

import json
import pathlib
import shutil
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

import paho.mqtt.client as mqtt  # noqa: E402

from fleet import MISSION_START, Fleet  # noqa: E402
from publisher import packet, publish_all  # noqa: E402

COUNT = 10000
ROUNDS = ["r-0001", "r-0002"]
EACH = COUNT // len(ROUNDS)
NAMES = [f"p{i}" for i in range(EACH + 1)]
SENT = [(ROUNDS[i // EACH], NAMES[i % EACH]) for i in range(COUNT)]
UPDATES = [
    json.dumps({"round_id": round_id, "base_model_uri": "fl/models/global_model_v0",
                "num_samples": 1, "update": {"w": [i, 1, 2], "b": 3}}).encode()
    for i, (round_id, _) in enumerate(SENT)
]


class Counter:
    """Counts different messages on a filter."""

    def __init__(self, port, filter, key):
        self.seen, self.key = set(), key
        self.ready, self.all = threading.Event(), threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_connect = lambda c, *_: c.subscribe(filter, qos=1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(30)

    def _on_message(self, _client, _userdata, message):
        self.seen.add(self.key(message))
        if len(self.seen) == COUNT:
            self.all.set()

    def rate(self, port, packets):
        began = time.monotonic()
        publish_all(port, packets)
        assert self.all.wait(600), f"{len(self.seen)} of {COUNT}"
        self.client.loop_stop()
        return COUNT / (time.monotonic() - began)


def accepted(message):
    assert b'"code":"accepted"' in message.payload, message.payload
    return message.topic


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-bench-"))
    fleet = Fleet(folder)
    try:
        coordinator = fleet.coordinator("--log-level", "warn")
        fleet.model_server()
        bus = fleet.bus(filters=("fl/models/index", "test/answer/#"))
        bus.wait("fl/models/index")
        fleet.await_coordinator(bus)
        for round_id in ROUNDS:
            bus.publish("fl/rounds/start", MISSION_START | {
                "round_id": round_id, "participants": NAMES, "k_of_n": len(NAMES),
                "timeout_s": 3600})
        assert len(bus.request("fl/rounds/query", {"what": "status"})["open"]) == len(ROUNDS)

        bare = Counter(fleet.port, "bench/bare", lambda m: m.payload).rate(
            fleet.port, [packet(i, "bench/bare", u) for i, u in enumerate(UPDATES)])
        durable = Counter(fleet.port, "fl/rounds/+/receipts/+", accepted).rate(
            fleet.port, [packet(i, "fml/updates", u, round=SENT[i][0], sender=SENT[i][1])
                         for i, u in enumerate(UPDATES)])
        print(f"durable/updates: updates={COUNT} per_second={durable:.0f} "
              f"broker_alone_per_second={bare:.0f} ratio={durable / bare:.2f}", flush=True)

        coordinator.kill()
        began = time.monotonic()
        coordinator.start()
        open_ = bus.request("fl/rounds/query", {"what": "status"})["open"]
        seconds = time.monotonic() - began
        assert sum(r["num_updates"] for r in open_) == COUNT, open_
        print(f"durable/recovery: open_updates={COUNT} seconds={seconds:.2f}", flush=True)
    finally:
        fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
