"""fml train and fml experiments: one experiment, shown once, whatever happens to the tool."""

import csv
import json
import os
import re
import signal
import subprocess

import pytest

from fleet import BIN, WASM

ROUNDS = 8
MANY = 30  # so that there are some left when the tool has ended


@pytest.fixture
def core(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "client")
    return fleet


class Tool:
    """The tool while it runs; its lines are read as they come."""

    def __init__(self, fleet, *args):
        self.process = subprocess.Popen(
            [BIN / "fml", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "MQTT_BROKER": fleet.broker}, cwd=fleet.folder)
        self.lines = []

    def await_line(self, pattern):
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no {pattern!r} in {self.lines}: {self.process.stderr.read()}")

    def end(self, limit_s=120):
        out, err = self.process.communicate(timeout=limit_s)
        return "".join(self.lines) + out, err, self.process.returncode


def rows_of(text):
    """The numbers of the rounds that a table shows, in its order."""
    return [int(m) for m in re.findall(r"^ *(\d+) +\d+/\d+ ", text, re.M)]


def state_of(fleet, experiment):
    return json.loads(fleet.tool("experiments", "show", experiment, "--json").stdout)["state"]


def test_an_experiment_with_evaluation_and_what_is_known_of_it(core, bus):
    table = core.folder / "rows.csv"
    done = core.tool("train", "--rounds", 3, "--image", "client", "--id", "run", "--csv", table,
                     "--evaluate", "proplet-3", "--grace", 0, "--select", 1, "--seed", 7,
                     "--aggregation", '{"rule":"mean","weighting":"equal"}')
    assert rows_of(done.stdout) == [1, 2, 3]
    assert "3 of 3 rounds completed, newest model fl/models/global_model_v3" in done.stdout
    rows = list(csv.DictReader(table.open()))
    assert [r["round_id"] for r in rows] == ["run-r0001", "run-r0002", "run-r0003"]
    assert all(r["asked"] == "1" and r["counted"] == "1" for r in rows)
    assert all(float(r["evaluate_seconds"]) >= 0 for r in rows)
    starts = bus.find("fl/rounds/start")
    rule = {"rule": "mean", "weighting": "equal"}
    assert all(s.json["aggregation"] == rule for s in starts[::2])
    assert [s.json["mode"] for s in starts] == ["train", "evaluate"] * 3
    assert all(s.json["participants"] == ["proplet-3"] for s in starts[1::2])

    again = core.folder / "again.csv"
    followed = core.tool("experiments", "follow", "run", "--csv", again)
    assert rows_of(followed.stdout) == [1, 2, 3]
    assert again.read_bytes() == table.read_bytes()
    shown = json.loads(core.tool("experiments", "show", "run", "--json").stdout)
    assert shown["state"]["status"] == "completed" and shown["state"]["reason"] == "all_rounds"
    assert [r["round"] for r in shown["rows"]] == [1, 2, 3]
    text = core.tool("experiments", "show", "run").stdout
    assert "experiment run: completed, all_rounds" in text and rows_of(text) == [1, 2, 3]
    listed = json.loads(core.tool("experiments", "list", "--json").stdout)
    assert [e["experiment_id"] for e in listed["ended"]] == ["run"] and listed["open"] == []
    assert "3 of 3" in core.tool("experiments", "list").stdout


def test_a_stop_rule_ends_it(core, bus):
    done = core.tool("train", "--rounds", 9, "--image", "client", "--id", "run",
                     "--metric", "loss", "--goal", "min", "--target", 1e9)
    assert rows_of(done.stdout) == [1]
    assert "1 of 9 rounds completed (the target was reached)" in done.stdout
    assert "in round 1 (fl/models/global_model_v1)" in done.stdout


def test_what_is_wrong_is_said_and_starts_nothing(core, bus):
    for args, status, said in [
            (["--select", "2", "--select-min", "3"], 2, "select"),
            (["--participants", "a", "--evaluate", "a"], 2, ""),
            (["--image", "unknown"], 1, "no image unknown"),
            (["--model", "99"], 1, "no model 99")]:
        done = core.tool("train", "--rounds", 1, "--image", "client", *args, check=False)
        assert done.returncode == status and said in done.stderr, (args, done.stderr)
    core.tool("train", "--rounds", 1, "--image", "client", "--id", "run")
    done = core.tool("train", "--rounds", 2, "--image", "client", "--prefix", "run", check=False)
    assert done.returncode == 1 and "choose another --id" in done.stderr
    for verb in ("show", "follow", "cancel"):
        done = core.tool("experiments", verb, "other", check=False)
        assert done.returncode == 1 and "fml: " in done.stderr, done.stderr
    done = core.tool("experiments", "cancel", "run", check=False)
    assert done.returncode == 1 and "ended" in done.stderr
    assert len(bus.find("fl/experiments/start")) == 1
    assert state_of(core, "run")["rounds"] == 1


def test_ctrl_c_cancels_and_whoever_follows_only_looks_on(core, bus):
    core.push(WASM / "loop_forever.wasm", "loop")
    tool = Tool(core, "train", "--rounds", 5, "--image", "loop", "--id", "run")
    bus.wait("m/demo/c/fl/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)
    assert re.search("^run +running +1 of 5", core.tool("status").stdout, re.M)
    tool.process.send_signal(signal.SIGINT)
    out, err, status = tool.end()
    assert status == 1 and "experiment run cancelled" in err, err
    assert "0 of 5 rounds completed" in out and rows_of(out) == [1]
    assert bus.wait("fl/rounds/run-r0001/complete").json["status"] == "cancelled"
    state = state_of(core, "run")
    assert (state["status"], state["reason"]) == ("cancelled", "cancelled_by_request")

    detached = core.tool("train", "--rounds", 5, "--image", "loop", "--id", "next", "--detach")
    assert "experiment next runs" in detached.stdout
    tools = [Tool(core, "experiments", "follow", "next") for _ in range(2)]
    for tool in tools:
        tool.await_line("round +updates")
    tools[0].process.send_signal(signal.SIGINT)
    _, err, status = tools[0].end()
    assert status == 1 and "it goes on: fml experiments follow next" in err
    assert state_of(core, "next")["state"] == "running"
    assert "is cancelled" in core.tool("experiments", "cancel", "next").stdout
    out, err, status = tools[1].end()
    assert status == 1 and "experiment next cancelled" in err and rows_of(out) == [1]


def test_a_second_ctrl_c_does_not_wait_and_the_wish_stays(core, bus):
    core.push(WASM / "loop_forever.wasm", "loop")
    tool = Tool(core, "train", "--rounds", 5, "--image", "loop", "--id", "run")
    bus.wait("m/demo/c/fl/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)
    coordinator = core.programs["coordinator"].process
    coordinator.send_signal(signal.SIGSTOP)
    tool.process.send_signal(signal.SIGINT)
    assert "Ctrl-C again" in tool.process.stderr.readline()
    bus.wait("fl/experiments/cancel")
    tool.process.send_signal(signal.SIGINT)
    _, err, status = tool.end(limit_s=4)  # an answer would be awaited for 5 s
    assert status == 1 and "it was asked to end: fml experiments follow run" in err
    coordinator.send_signal(signal.SIGCONT)
    bus.wait("fl/experiments/run/state", lambda m: m.json["state"] == "ended")
    assert state_of(core, "run")["reason"] == "cancelled_by_request"


def test_without_its_tool_it_goes_on_and_is_picked_up_again(core, bus):
    for number in (signal.SIGHUP, signal.SIGKILL, signal.SIGTERM):
        tool = Tool(core, "train", "--rounds", MANY, "--image", "client", "--id", number.name,
                    "--grace", 0)
        tool.await_line(r"^ *1 +\d+/\d+ ")
        tool.process.send_signal(number)
        _, err, status = tool.end()
        assert status == (-signal.SIGKILL if number == signal.SIGKILL else 1)
        assert number == signal.SIGKILL or "it goes on" in err
        followed = core.tool("experiments", "follow", number.name)
        assert rows_of(followed.stdout) == list(range(1, MANY + 1))
        assert f"{MANY} of {MANY} rounds completed" in followed.stdout


def test_a_broker_or_coordinator_that_starts_again_costs_no_row(core, bus):
    table = core.folder / "rows.csv"
    # A task that was sent before its device came back to the empty broker is lost: one
    # update is enough for a round, and without any it expires soon.
    tool = Tool(core, "train", "--rounds", ROUNDS, "--image", "client", "--id", "run",
                "--grace", 0, "--csv", table, "--k", 1, "--timeout", 15)
    tool.await_line(r"^ *2 +\d+/\d+ ")
    core.programs["mosquitto"].kill()
    core.programs["mosquitto"].start()
    tool.await_line(r"^ *4 +\d+/\d+ ")
    core.programs["coordinator"].kill()
    core.programs["coordinator"].start()
    out, err, status = tool.end()
    assert status == 0, out + err
    assert rows_of(out) == list(range(1, ROUNDS + 1))
    assert [int(r["round"]) for r in csv.DictReader(table.open())] == list(range(1, ROUNDS + 1))
