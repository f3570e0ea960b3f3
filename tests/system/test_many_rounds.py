"""A hundred rounds at once, twenty participants each, over five base models.

Everybody's updates are interleaved at random, some come twice, and junk comes between
them. Values and sample counts are whole numbers and the samples of a round are 64 in
all, so the one right mean of each round is known to the last bit.
"""

import json
import random
import time

import numpy as np

ROUNDS, PARTICIPANTS, SAMPLES = 100, 20, 64
NAMES = ["alpha", "beta", "gamma", "delta", "epsilon"]


def base_of(n):
    return f"fl/models/{NAMES[n % len(NAMES)]}_v0"


class Round:
    """One round: what its participants send, and what must come of it."""

    def __init__(self, n, params, rng):
        self.id, self.base = f"many-{n}", base_of(n)
        self.people = [f"p{n}-{i}" for i in range(PARTICIPANTS)]
        cuts = sorted(rng.sample(range(1, SAMPLES), PARTICIPANTS - 1))
        self.samples = [b - a for a, b in zip([0, *cuts], [*cuts, SAMPLES])]
        self.values = [[rng.randint(-1000, 1000) for _ in range(params)] for _ in self.people]
        self.mean = [sum(s * v for s, v in zip(self.samples, column)) / SAMPLES
                     for column in zip(*self.values)]

    def start(self):
        return json.dumps({
            "round_id": self.id, "model_uri": self.base, "task_wasm_image": "none",
            "participants": self.people, "k_of_n": PARTICIPANTS, "timeout_s": 600})

    def update(self, i, **changes):
        return json.dumps({"round_id": self.id, "base_model_uri": self.base,
                           "num_samples": self.samples[i], "update": {"w": self.values[i]},
                           **changes})

    def messages(self, others, rng):
        """(sender, payload) in an order that keeps what was sent first in front."""
        sent = []
        for i, name in enumerate(self.people):
            good = (name, self.update(i))
            sent.append(good)
            chance = rng.random()
            if chance < 0.1:
                sent.append(good)
            elif chance < 0.15:  # other bytes of somebody who was counted
                sent.append((name, self.update(i, num_samples=self.samples[i] + 1)))
            elif chance < 0.2:
                sent.insert(-1, (name, b"junk"))
            elif chance < 0.25:
                sent.insert(-1, (name, self.update(i, update={"w": [1]})))
            elif chance < 0.3:  # somebody else's, who takes part elsewhere
                sent.insert(-1, (rng.choice(others).people[0], self.update(i)))
        return sent


def interleave(queues, rng):
    """One sequence of all, in which each queue keeps its order."""
    turns = [n for n, queue in enumerate(queues) for _ in queue]
    rng.shuffle(turns)
    iterators = [iter(queue) for queue in queues]
    return [(n, next(iterators[n])) for n in turns]


def publish_bases(bus, params):
    bus.wait("fl/models/index")
    for name in NAMES:
        bus.publish("fl/models/publish", {"w": [0] * params, "version": 0}, name=name, version="0")
    for name in NAMES:
        bus.wait(f"fl/models/{name}_v0")


def check_lineage(rounds, completes, index):
    """Each round made one version, of its own base, and no two made the same."""
    made = {m["round_id"]: m for m in index if m.get("round_id")}
    assert len(made) == len(rounds) == len({m["topic"] for m in made.values()})
    for r in rounds:
        m = made[r.id]
        assert m["topic"] == completes[r.id]["model_topic"]
        assert m["digest"] == completes[r.id]["model_digest"]
        assert (m["parent"], m["contributors"], m["samples"]) == (r.base, PARTICIPANTS, SAMPLES)
    for name in NAMES:
        versions = [m["version"] for m in made.values() if m["name"] == name]
        assert sorted(versions) == list(range(1, len(rounds) // len(NAMES) + 1))


def check_complete(r, complete):
    assert (complete["status"], complete["reason"]) == ("completed", "all_counted"), complete
    assert (complete["num_updates"], complete["total_samples"]) == (PARTICIPANTS, SAMPLES)
    assert set(complete["rejected"]) <= {"malformed", "wrong_shape", "conflict", "late",
                                         "not_participant"}, complete


def peak_kib(program):
    """VmHWM, the most memory that the process ever had."""
    with open(f"/proc/{program.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def play(fleet, seed, params=8):
    """Plays them all and checks all.
    Gives rounds a second, KiB of memory for each round, and KiB in all at the peak."""
    rng = random.Random(seed)
    coordinator = fleet.coordinator("--max-rounds", ROUNDS, "--log-level", "warn")
    fleet.model_server("--retain", 2 * ROUNDS)
    bus = fleet.bus(filters=("fl/models/+", "fl/rounds/+/complete", "fl/rounds/refused",
                             "test/answer/#"))
    publish_bases(bus, params)
    fleet.await_coordinator(bus)
    rounds = [Round(n, params, rng) for n in range(ROUNDS)]
    queues = [r.messages(rounds[:n] + rounds[n + 1:], rng) for n, r in enumerate(rounds)]
    before = peak_kib(coordinator)
    began = time.monotonic()
    for r in rounds:
        bus.publish("fl/rounds/start", r.start())
    open_ = bus.request("fl/rounds/query", {"what": "status"})["open"]
    assert len(open_) == ROUNDS
    for n, (sender, payload) in interleave(queues, rng):
        bus.publish("fml/updates", payload, sender=sender, round=rounds[n].id)
    found = [m.json for m in bus.wait("fl/rounds/+/complete", count=ROUNDS)]
    seconds = time.monotonic() - began
    completes = {complete["round_id"]: complete for complete in found}
    for r in rounds:
        check_complete(r, completes[r.id])
        model = bus.wait(completes[r.id]["model_topic"]).json
        assert (np.float32(model["w"]) == np.float32(r.mean)).all(), r.id
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) > ROUNDS + len(NAMES))
    check_lineage(rounds, completes, index.json["models"])
    assert not bus.find("fl/rounds/refused")
    return ROUNDS / seconds, (peak_kib(coordinator) - before) / ROUNDS, peak_kib(coordinator)


def test_a_hundred_rounds_at_once_have_their_own_exact_means(fleet, monkeypatch):
    # Memory that the sanitizer keeps after its free() is not the coordinator's.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
    seed = random.randrange(1 << 32)
    print(f"seed={seed}")
    rate, per_round, peak = play(fleet, seed)
    print(f"rounds/s={rate:.1f} KiB/round={per_round:.0f} peak_MiB={peak / 1024:.0f}")
    assert per_round < 1024
