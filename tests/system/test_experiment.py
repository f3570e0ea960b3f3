"""Experiments: many rounds from one request, also when programs die in the middle."""

import json
import signal

import pytest

from fleet import P, WASM

TRAINERS = [f"proplet-{n}" for n in (1, 2, 3, 4)]
# Each trainer adds its number to all parameters, so each version adds 2.5 to them, and
# the evaluator reports the first one.
STEP = 2.5
START = {
    "experiment_id": "x", "model_uri": "fl/models/global_model_v0", "task_wasm_image": "sum",
    "participants": TRAINERS, "k_of_n": "all", "timeout_s": 120, "rounds": 3,
}
EVALUATED = {"evaluation": {"every": 2, "participants": ["judge"], "timeout_s": 60}}


def start(bus, **fields):
    bus.publish("fl/experiments/start", START | fields)


def finish(bus, name="x", limit_s=180):
    return bus.wait(f"fl/experiments/{name}/state", lambda m: m.json["state"] == "ended",
                    limit_s=limit_s).json


def rows(bus, name="x"):
    answer = bus.request("fl/experiments/query", {"what": "rows", "experiment_id": name})
    return answer["rows"]


def asked(bus, name, n):
    """Who was asked in a training round."""
    return bus.wait("fl/rounds/start",
                    lambda m: m.json["round_id"] == f"{name}-r{n:04}").json["participants"]


def restart(fleet, bus):
    coordinator = fleet.programs["coordinator"]
    coordinator.kill()
    coordinator.start()
    fleet.await_coordinator(bus)


@pytest.fixture
def core(fleet, bus):
    fleet.core(bus, [*TRAINERS, "judge"])
    fleet.push(WASM / "sum_client.wasm", "sum")
    return fleet


def assert_lineage(bus, name, rounds):
    """Each version is the child of the one before, and their sum, to the last bit."""
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) > rounds).json["models"]
    assert [m["version"] for m in index] == list(range(rounds + 1))
    for n in range(1, rounds + 1):
        assert index[n]["round_id"] == f"{name}-r{n:04}"
        assert index[n]["parent"] == f"fl/models/global_model_v{n - 1}"
        model = bus.wait(f"fl/models/global_model_v{n}").json
        assert model == {"w": [n * STEP] * 3, "b": n * STEP, "version": n}


def assert_said_once(bus, filter, count):
    """So many topics, and one text on each, in however many copies."""
    texts = {}
    for m in bus.find(filter):
        texts.setdefault(m.topic, set()).add(m.payload)
    assert len(texts) == count, sorted(texts)
    assert all(len(t) == 1 for t in texts.values()), texts


def test_ten_rounds_survive_kills_of_the_coordinator(core, bus):
    start(bus, rounds=10, **EVALUATED)
    # The kills come when these are seen: a choice, an update, a version, an end, a row.
    bus.wait("fl/rounds/start", lambda m: m.json["round_id"] == "x-r0001")
    restart(core, bus)
    bus.wait("fml/updates", lambda m: m.properties["round"] == "x-r0002")
    restart(core, bus)
    bus.wait("fl/models/publish", lambda m: m.properties["round"] == "x-r0004")
    restart(core, bus)
    bus.wait("fl/rounds/x-e0004/complete")
    restart(core, bus)
    bus.wait("fl/experiments/x/rows", lambda m: m.json["round"] == 6)
    restart(core, bus)
    bus.wait("fl/rounds/start", lambda m: m.json["round_id"] == "x-e0008")
    restart(core, bus)
    bus.wait("fl/rounds/x-r0010/receipts/proplet-1")
    restart(core, bus)

    state = finish(bus)
    assert (state["status"], state["reason"]) == ("completed", "all_rounds")
    assert (state["completed"], state["round"]) == (10, 10)
    assert state["model_topic"] == "fl/models/global_model_v10"
    assert state["metrics"]["first"] == 10 * STEP
    assert_lineage(bus, "x", 10)
    assert_said_once(bus, "fl/rounds/+/complete", 15)
    for n in range(1, 11):
        starts = {m.payload for m in bus.find("fl/rounds/start")
                  if m.json["round_id"] == f"x-r{n:04}"}
        assert len(starts) == 1, f"round {n} was chosen twice"
    kept = rows(bus)
    assert [r["round"] for r in kept] == list(range(1, 11))
    assert all(r["train"]["num_updates"] == 4 for r in kept)
    assert [r["round"] for r in kept if "evaluate" in r] == [2, 4, 6, 8, 10]
    assert not bus.find("fl/rounds/refused") and not bus.find("fl/experiments/refused")

    restart(core, bus)
    status = bus.request("fl/experiments/query", {"what": "status"})
    assert not status["open"] and status["ended"] == [state]


def test_its_state_is_there_for_who_comes_late(core, bus):
    start(bus)
    state = finish(bus)
    late = core.bus()
    assert late.wait("fl/experiments/x/state", lambda m: m.retain).json == state


def test_it_ends_when_the_target_is_reached(core, bus):
    start(bus, rounds=50, stop={"metric": "first", "goal": "max", "target": 3 * STEP},
          evaluation={"every": 1, "participants": ["judge"], "timeout_s": 60})
    state = finish(bus)
    assert (state["status"], state["reason"]) == ("completed", "target_reached")
    assert state["completed"] == 3
    assert state["best"] == {"value": 3 * STEP, "round": 3,
                             "model_topic": "fl/models/global_model_v3"}
    assert_lineage(bus, "x", 3)


def test_it_ends_when_nothing_improves(core, bus):
    # Of the training rounds: what they report, their own number, is always the same.
    start(bus, rounds=50, stop={"metric": "number", "goal": "max", "patience": 2})
    state = finish(bus)
    assert (state["status"], state["reason"]) == ("completed", "no_improvement")
    assert (state["completed"], state["best"]["round"]) == (3, 1)


def test_a_selection_is_reproduced_by_its_seed(core, bus):
    chosen = {}
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        start(bus, experiment_id=name, rounds=6, selection={"count": 0.5, "seed": seed})
        assert finish(bus, name)["status"] == "completed"
        chosen[name] = [sorted(asked(bus, name, n)) for n in range(1, 7)]
    assert all(len(ids) == 2 for ids in chosen["a"])
    assert chosen["a"] == chosen["b"] != chosen["c"]
    assert len(set(map(tuple, chosen["a"]))) > 1, "each round is chosen anew"


def test_more_are_asked_than_are_needed(core, bus):
    # One that is there, and does not answer while it is stopped.
    slow = core.programs["proplet-4"].process
    slow.send_signal(signal.SIGSTOP)
    try:
        start(bus, rounds=2, k_of_n=3)
        state = finish(bus)
    finally:
        slow.send_signal(signal.SIGCONT)
    assert (state["status"], state["completed"]) == ("completed", 2)
    for row in rows(bus):
        assert (row["train"]["participants"], row["train"]["num_updates"]) == (4, 3)
        assert row["train"]["reason"] == "k_of_n"


def test_who_is_gone_is_not_asked(core, bus):
    core.programs["proplet-4"].kill()
    bus.wait(f"{P}/control/proplet/alive",
             lambda m: m.json == m.json | {"proplet_id": "proplet-4", "status": "offline"})
    start(bus, rounds=1)
    assert finish(bus)["status"] == "completed"
    assert sorted(asked(bus, "x", 1)) == TRAINERS[:3]


def test_a_manager_that_is_away_is_waited_for(core, bus):
    core.programs["manager"].kill()
    mark = bus.mark()
    start(bus, wait_s=120, selection={"min": 4})
    bus.wait(f"{P}/control/manager/query", count=2, after=mark)
    assert not bus.find("fl/rounds/start")
    core.programs["manager"].start()
    state = finish(bus)
    assert (state["status"], state["completed"]) == ("completed", 3)
    assert_lineage(bus, "x", 3)


def test_a_round_that_has_too_few_counts_as_failed(core, bus):
    start(bus, participants=["nobody", "proplet-1"], selection={"min": 2}, wait_s=1,
          max_failures=2)
    state = finish(bus)
    assert (state["status"], state["reason"]) == ("failed", "too_many_failures")
    assert [r["reason"] for r in rows(bus)] == ["too_few_participants"] * 2
    assert not bus.find("fl/rounds/start")


def test_a_cancel_ends_the_round_under_way(core, bus):
    start(bus, hyperparams={"seconds": 600})
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "running", count=4)
    bus.publish("fl/experiments/cancel", {"experiment_id": "x", "reason": "enough"})
    state = finish(bus)
    assert (state["status"], state["reason"]) == ("cancelled", "cancelled_by_request")
    complete = bus.wait("fl/rounds/x-r0001/complete").json
    assert (complete["status"], complete["reason"]) == ("cancelled", "experiment_cancelled")
    # And the devices are free again.
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "failed", count=4)
    start(bus, experiment_id="next", rounds=1)
    assert finish(bus, "next")["status"] == "completed"


def test_a_refused_start_says_why_and_leaves_nothing(core, bus):
    def refused(code, payload):
        mark = bus.mark()
        bus.publish("fl/experiments/start", payload)
        answer = bus.wait("fl/experiments/refused", after=mark).json
        assert answer["code"] == code and answer["reason"], answer
        return answer

    refused("malformed", "{")
    refused("invalid", {"experiment_id": "x"})
    assert refused("invalid", START | {"rounds": 0})["experiment_id"] == "x"
    refused("invalid", START | {"participants": []})
    assert bus.request("fl/experiments/query", {"what": "status"}) == {"open": [], "ended": []}
    assert not bus.find("fl/experiments/+/state")

    start(bus)
    state = finish(bus)
    refused("experiment_exists", START | {"rounds": 4})
    mark = bus.mark()
    start(bus)  # the very same
    status = bus.request("fl/experiments/query", {"what": "status"})
    assert status["ended"] == [state] and not bus.find("fl/experiments/refused", after=mark)


def test_two_experiments_at_once_each_have_their_own_line(core, bus):
    start(bus, experiment_id="a")
    start(bus, experiment_id="b")
    ends = [finish(bus, "a"), finish(bus, "b")]
    assert [e["completed"] for e in ends] == [3, 3]
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) == 7).json["models"]
    topics = {m["round_id"]: m for m in index[1:]}
    for name in "ab":
        for n in (2, 3):
            before = topics[f"{name}-r{n - 1:04}"]["topic"]
            assert topics[f"{name}-r{n:04}"]["parent"] == before
    for end in ends:
        model = bus.wait(end["model_topic"]).json
        assert model["w"] == [3 * STEP] * 3, json.dumps(model)


def test_the_manager_of_its_own_channel_is_asked(fleet, bus):
    fleet.coordinator("--domain", "lab", "--channel", "two")
    fleet.await_coordinator(bus)
    start(bus)
    question = bus.wait("m/lab/c/two/control/manager/query").json
    assert question == {"what": "alive"}
    assert not bus.find(f"{P}/control/manager/query")
    fleet.programs["coordinator"].kill()
    wrong = fleet.coordinator("--domain", "a/b")
    assert wrong.process.wait(30) == 1 and "settings.refused" in wrong.text()
