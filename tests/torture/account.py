"""What a torture run knows of all rounds, and what is wrong with it.

Proplet p-2^i adds 2^i to every parameter of version 0, so a version's parameters,
times its number of updates, say which proplets were counted.
"""

import collections
import hashlib
import json

PROPLETS = [f"p-{2 ** i}" for i in range(8)]
FACTS = ("status", "num_updates", "model_version", "model_digest", "total_samples")


def members(model, count):
    """The proplets in a model, or None if it is no sum of that many distinct ones."""
    values = set(model["w"]) | {model["b"]}
    total = round(model["b"] * count)
    if len(values) != 1 or abs(model["b"] * count - total) > 1e-3:
        return None
    found = {f"p-{2 ** i}" for i in range(8) if total >> i & 1}
    return found if len(found) == count and 0 < total < 256 else None


class Account:
    """Fed with every message of the bus. `faults` are sentences; lost and double count."""

    def __init__(self):
        self.accepted = collections.defaultdict(set)
        self.completes = {}
        self.models = {}
        self.judged = {}  # round: how many were counted
        self.versions = {}
        self.faults = []
        self.lost = self.double = 0

    def take(self, message):
        levels = message.topic.split("/")
        if message.topic.startswith("fl/rounds/") and len(levels) >= 4:
            if levels[3] == "receipts":
                self.receipt(levels[2], levels[4], message.json)
            elif levels[3] == "complete":
                self.complete(levels[2], message.json)
        elif message.topic.startswith("fl/models/global_model_v"):
            before = self.models.setdefault(message.topic, message.payload)
            if before != message.payload:
                self.lose(1, f"{message.topic} changed")

    def receipt(self, round_id, proplet, receipt):
        if receipt["status"] == "accepted":
            self.accepted[round_id].add(proplet)
        elif proplet in self.accepted[round_id]:
            self.lose(1, f"{round_id}: {proplet} was accepted, then {receipt['code']}")

    def complete(self, round_id, complete):
        facts = {key: complete.get(key) for key in FACTS}
        before = self.completes.setdefault(round_id, facts)
        if before != facts:
            self.count_twice(f"{round_id}: two ends: {before} and {facts}")

    def lose(self, count, why):
        self.lost += count
        self.faults.append(why)

    def count_twice(self, why):
        self.double += 1
        self.faults.append(why)

    def is_told(self, round_id):
        """Its end, and the bytes of the version that this names, if any."""
        facts = self.completes.get(round_id)
        return facts is not None and (
            facts["status"] != "completed"
            or f"fl/models/global_model_v{facts['model_version']}" in self.models)

    def judge(self, round_id):
        """Of a round that has its end: who was acknowledged, and who is in the model."""
        facts = self.completes[round_id]
        accepted = self.accepted[round_id]
        forgotten = len(accepted) - facts["num_updates"]
        if forgotten > 0:
            self.lose(forgotten, f"{round_id}: acknowledged updates are forgotten: {forgotten}")
            return
        if facts["status"] != "completed":
            return
        version = facts["model_version"]
        model = self.models.get(f"fl/models/global_model_v{version}")
        if self.versions.setdefault(version, round_id) != round_id:
            self.count_twice(f"version {version} is {self.versions[version]}'s and {round_id}'s")
        elif model is None:
            self.lose(1, f"{round_id}: version {version} was never seen")
        elif "sha256:" + hashlib.sha256(model).hexdigest() != facts["model_digest"]:
            self.lose(1, f"{round_id}: version {version} is not what its end says")
        else:
            self.judge_model(round_id, json.loads(model), facts["num_updates"], accepted)

    def judge_model(self, round_id, model, count, accepted):
        counted = members(model, count)
        if counted is None:
            self.count_twice(f"{round_id}: {model} is no sum of {count} distinct updates")
            return
        self.judged[round_id] = len(counted)
        missing = accepted - counted
        if missing:
            self.lose(len(missing), f"{round_id}: acknowledged, not counted: {sorted(missing)}")

    def judge_store(self, folder, newest=8):
        """A model server's folder, dead or alive: the index speaks of nothing that is not there."""
        index = folder / "index.json"
        if not index.exists():
            return
        index = json.loads(index.read_text())
        for v in index["models"][-newest:]:
            if v.get("deleted_at"):
                continue
            files = [f for f in folder.glob(f"{v['name']}_v{v['version']}.*")
                     if ".tmp-" not in f.name]
            digests = {"sha256:" + hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
            if v["digest"] not in digests:
                self.lose(1, f"the index speaks of version {v['version']}, whose bytes are not there")

    @property
    def acknowledged(self):
        return sum(map(len, self.accepted.values()))

    @property
    def counted(self):
        return sum(self.judged.values())
