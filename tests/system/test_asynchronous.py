"""Asynchronous experiments (FedBuff): nobody is waited for, and whoever is slow still counts."""

import itertools
import math
import os
import signal

import pytest

from fleet import WASM

NAMES = [f"proplet-{n}" for n in (1, 2, 3)]  # each adds its number to every parameter
K = 2
ROUNDS = 30


def halt(fleet, name):
    os.kill(fleet.programs[name].process.pid, signal.SIGSTOP)


def go_on(fleet, name):
    os.kill(fleet.programs[name].process.pid, signal.SIGCONT)


@pytest.fixture
def core(fleet, bus):
    fleet.core(bus, NAMES)
    fleet.push(WASM / "sum_client.wasm", "sum")
    yield fleet
    for name in NAMES:
        go_on(fleet, name)


def row(bus, n):
    return bus.wait("fl/experiments/x/rows", lambda m: m.json["round"] == n, limit_s=60).json


def number(round_id):
    return int(round_id.rsplit("-r", 1)[1])


def accepted(bus):
    """The tasks whose update was accepted: (round, what the device adds)."""
    found = set()
    for m in bus.find("fl/rounds/+/receipts/+"):
        if m.json["code"] == "accepted":
            found.add((number(m.json["round_id"]), int(m.json["proplet_id"][-1])))
    return found


def assert_each_in_one_version(bus, rounds):
    """A version differs from the one before by its updates, nobody's twice, each weighted by
    its staleness; and each that was accepted is in one. Several may differ by the same, so
    all ways are tried."""
    before, made = 0.0, []
    for n in range(1, rounds + 1):
        model = bus.wait(f"fl/models/global_model_v{n}").json
        assert model["w"] == [model["b"]] * 3
        made.append((n, model["b"] - before, row(bus, n)["train"]["num_updates"]))
        before = model["b"]

    def ways(left, n, difference, count):
        for chosen in itertools.combinations([t for t in left if t[0] <= n], count):
            total = sum(adds / math.sqrt(1 + n - asked) for asked, adds in chosen) / count
            if len({adds for _, adds in chosen}) == count and abs(total - difference) < 1e-4:
                yield left - set(chosen)

    lefts = {frozenset(accepted(bus))}
    for n, difference, count in made:
        lefts = {frozenset(way) for left in lefts for way in ways(left, n, difference, count)}
        assert lefts, f"version {n}: no updates differ by {difference}"
    assert frozenset() in lefts, min(lefts, key=len)


def test_whoever_is_slow_counts_and_is_not_waited_for(core, bus):
    halt(core, "proplet-3")
    # The guests take their time, so that the experiment is not over before it is looked at.
    core.tool("train", "--rounds", ROUNDS, "--image", "sum", "--id", "x", "--participants",
              ",".join(NAMES), "--k", K, "--algorithm", "fedbuff", "--staleness", ROUNDS,
              "--hyperparams", '{"seconds":0.1}', "--detach")
    row(bus, 2)
    core.programs["coordinator"].kill()
    # From here on two updates are there only with that of the slow one.
    halt(core, "proplet-2")
    core.programs["coordinator"].start()
    go_on(core, "proplet-3")
    slow = bus.wait("fl/rounds/x-r0001/receipts/proplet-3", limit_s=60).json
    assert slow["code"] == "accepted", slow
    bus.wait("fl/rounds/x-r0001/complete")  # nobody is awaited any more
    go_on(core, "proplet-2")
    done = bus.wait("fl/experiments/x/state", lambda m: m.json["state"] == "ended",
                    limit_s=120).json
    assert (done["status"], done["completed"]) == ("completed", ROUNDS), done

    assert_each_in_one_version(bus, ROUNDS)
    for n in range(1, ROUNDS + 1):
        assert len({m.payload for m in bus.find(f"fl/rounds/x-r{n:04}/complete")}) == 1, n


def test_whoever_is_too_far_behind_is_stopped(core, bus):
    halt(core, "proplet-3")
    bus.publish("fl/experiments/start", {
        "experiment_id": "x", "model_uri": "fl/models/global_model_v0", "task_wasm_image": "sum",
        "participants": NAMES, "k_of_n": K, "rounds": 4, "timeout_s": 60,
        "asynchronous": {"staleness_max": 1}})
    bus.wait("fl/rounds/x-r0001/complete")
    first = row(bus, 2)
    assert first["train"]["status"] == "completed"
    go_on(core, "proplet-3")
    task = bus.wait("m/demo/c/fl/control/manager/tasks",
                    lambda m: m.json["proplet_id"] == "proplet-3" and
                    m.json["state"] not in ("pending", "running", "sent"), limit_s=60).json
    assert task["state"] != "completed" or bus.wait(
        "fl/rounds/x-r0001/receipts/proplet-3").json["code"] == "stale"
    assert (1, 3) not in accepted(bus)
    done = bus.wait("fl/experiments/x/state", lambda m: m.json["state"] == "ended",
                    limit_s=120).json
    assert done["status"] == "completed", done
    assert_each_in_one_version(bus, 4)
