"""Kills programs of a real fleet at random moments; checks every account. See README.md.

usage: torture.py [--kills N] [--seed S] [--only NAME,...]     (FML_BUILD names the build)
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from fleet import WASM, Fleet  # noqa: E402

PROPLETS = [f"p-{2 ** i}" for i in range(8)]
K_OF_N = 5
TIMEOUT_S = 20
HUNG_S = 120  # a round without its end after this long
AGAIN_S = 1.5  # a start is published again, in case the broker forgot it
QUIET_S = 0.3  # a kill that waits for a message does not wait longer


class Account:
    """What was seen of all rounds, from every message on the bus."""

    def __init__(self):
        self.accepted = collections.defaultdict(set)
        self.completes = collections.defaultdict(dict)
        self.models = {}
        self.faults = []

    def take(self, message):
        levels = message.topic.split("/")
        if message.topic.startswith("fl/rounds/") and len(levels) >= 4:
            if levels[3] == "receipts":
                self.receipt(levels[2], levels[4], message.json)
            elif levels[3] == "complete":
                self.complete(levels[2], message.json)
        elif message.topic.startswith("fl/models/global_model_v"):
            self.model(message)

    def receipt(self, round_id, proplet, receipt):
        if receipt["status"] == "accepted":
            self.accepted[round_id].add(proplet)
        elif proplet in self.accepted[round_id]:
            self.faults.append(f"{round_id}: {proplet} was accepted, then {receipt['code']}")

    def complete(self, round_id, complete):
        facts = {k: complete.get(k) for k in
                 ("status", "num_updates", "model_version", "model_digest", "total_samples")}
        before = self.completes[round_id]
        if before and before != facts:
            self.faults.append(f"{round_id}: two ends: {before} and {facts}")
        self.completes[round_id] = facts

    def model(self, message):
        before = self.models.setdefault(message.topic, message.payload)
        if before != message.payload:
            self.faults.append(f"{message.topic} changed")

    def judge(self):
        """lost, double over all rounds that are complete."""
        lost = double = counted_all = 0
        versions = collections.Counter()
        for round_id, facts in self.completes.items():
            forgotten = len(self.accepted[round_id]) - facts.get("num_updates", 0)
            if forgotten > 0:
                lost += forgotten
                self.faults.append(f"{round_id}: {forgotten} acknowledged updates are forgotten")
            if facts.get("status") != "completed":
                continue
            version = facts["model_version"]
            versions[version] += 1
            model = self.models.get(f"fl/models/global_model_v{version}")
            if model is None:
                self.faults.append(f"{round_id}: version {version} was never seen")
                continue
            counted = self.read(json.loads(model), facts["num_updates"])
            if counted is None:
                double += 1
                self.faults.append(f"{round_id}: {model!r} is no sum of {facts['num_updates']}")
                continue
            counted_all += len(counted)
            missing = self.accepted[round_id] - counted
            lost += len(missing)
            if missing:
                self.faults.append(f"{round_id}: acknowledged, not counted: {sorted(missing)}")
        for version, times in versions.items():
            if times > 1:
                double += 1
                self.faults.append(f"version {version} belongs to {times} rounds")
        return lost, double, counted_all

    @staticmethod
    def read(model, count):
        """The proplets in a model, or None if it is no sum of that many distinct ones."""
        values = set(model["w"]) | {model["b"]}
        total = round(model["b"] * count)
        if len(values) != 1 or abs(model["b"] * count - total) > 1e-3:
            return None
        members = {f"p-{2 ** i}" for i in range(8) if total >> i & 1}
        return members if len(members) == count and 0 < total < 256 else None


class Torture:
    def __init__(self, fleet, kills, seed, only):
        self.fleet, self.kills, self.random = fleet, kills, random.Random(seed)
        self.account = Account()
        self.bus = fleet.bus()
        self.read = 0
        self.round = 0
        self.killed = collections.Counter()
        self.hung = 0
        self.victims = only or (
            ["manager", "coordinator", "model-server", "mosquitto"] * 3 + PROPLETS)

    def begin(self):
        # Every round starts from version 0, however many there are.
        self.fleet.core(self.bus, PROPLETS, retain=10000)
        self.fleet.push(WASM / "sum_client.wasm", "sum")
        self.next_round()

    def next_round(self):
        self.round += 1
        self.start = {
            "round_id": f"t-{self.round}", "model_uri": "fl/models/global_model_v0",
            "task_wasm_image": "sum", "participants": PROPLETS, "k_of_n": K_OF_N,
            "timeout_s": TIMEOUT_S, "grace_s": 3,
            "hyperparams": {"seconds": self.random.choice([0, 0.02, 0.2])}}
        self.began = self.said = time.monotonic()
        self.bus.publish("fl/rounds/start", self.start)

    def watch(self):
        """Takes in what came; goes on to the next round when this one has its end."""
        messages = self.bus.messages
        while self.read < len(messages):
            if messages[self.read].payload:
                self.account.take(messages[self.read])
            self.read += 1
        now = time.monotonic()
        if self.account.completes[self.start["round_id"]]:
            return True
        if now - self.began > HUNG_S:
            self.hung += 1
            self.account.faults.append(f"{self.start['round_id']} has no end")
            return True
        if now - self.said > AGAIN_S:
            self.said = now
            self.bus.publish("fl/rounds/start", self.start)
        return False

    def wait(self, messages, limit_s):
        """Until so many more messages came, or the bus was quiet for limit_s."""
        target = self.bus.mark() + messages
        with self.bus._news:
            self.bus._news.wait_for(lambda: len(self.bus.messages) >= target, limit_s)

    def kill(self):
        name = self.random.choice(self.victims)
        program = self.fleet.programs[name]
        program.kill()
        self.killed[name] += 1
        program.start()
        if name == "mosquitto":
            self.fleet._await_port()

    def run(self):
        self.begin()
        done = 0
        while done < self.kills:
            self.wait(self.random.randint(1, 40), QUIET_S)
            if self.watch():
                self.next_round()
                continue
            self.kill()
            done += 1
            if done % 50 == 0:
                print(f"torture: {done} kills, {self.round} rounds", flush=True)
            # The next kill comes when the fleet is at work again, or at once.
            self.settle(self.random.choice([0, 1, 1, 1]))
        # The last round ends in peace, and so does one more.
        for _ in range(2):
            while not self.watch():
                self.wait(1, 0.2)
            self.next_round()
        while not self.watch():
            self.wait(1, 0.2)
        return self.report()

    def settle(self, rounds):
        """Waits for the end of this round if rounds is 1."""
        while rounds and not self.watch():
            self.wait(1, 0.2)

    def report(self):
        lost, double, counted = self.account.judge()
        faults = [f for f in self.account.faults]
        acknowledged = sum(map(len, self.account.accepted.values()))
        outcomes = collections.Counter(f["status"] for f in self.account.completes.values() if f)
        for fault in faults[:20]:
            print("torture: fault:", fault)
        print(f"torture: rounds {dict(outcomes)}, killed {dict(self.killed)}")
        print(f"torture: kills={sum(self.killed.values())} acknowledged={acknowledged} "
              f"counted={counted} lost={lost} double={double} hung={self.hung}", flush=True)
        return 0 if not faults and lost == double == self.hung == 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--only", help="names of programs to kill, with commas")
    args = parser.parse_args()
    print(f"torture: seed={args.seed} kills={args.kills}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fml-torture-"))
    fleet = Fleet(folder)
    try:
        only = args.only.split(",") if args.only else None
        status = Torture(fleet, args.kills, args.seed, only).run()
    except AssertionError as failure:
        print(f"torture: {failure}\n{fleet.logs()}")
        status = 1
    finally:
        fleet.close()
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"torture: logs are in {folder}")
    return status


if __name__ == "__main__":
    sys.exit(main())
