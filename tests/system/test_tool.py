"""The command-line tool against the real programs, and a small demo."""

import json
import re
import struct
import subprocess

import numpy as np
import pytest

from fleet import BIN, MISSION_START, WASM, write
from test_trajectory import VECTORS, read_idx

COMMANDS = [[], ["round", "start"], ["round", "cancel"], ["train"], ["experiments"],
            ["experiments", "list"], ["experiments", "show"], ["experiments", "follow"],
            ["experiments", "cancel"], ["status"], ["models"], ["models", "list"],
            ["models", "get"], ["models", "export"], ["models", "diff"], ["models", "history"],
            ["models", "point"], ["models", "rollback"], ["models", "prune"],
            ["images", "push"], ["demo"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_says_how(command):
    done = subprocess.run([BIN / "fml", *command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "usage" in done.stdout.lower() and len(done.stdout) > 200
    assert done.stderr == ""


def test_mistakes_are_answered_with_what_to_do():
    for args in (["nonsense"], ["round"], ["round", "start", "--none"], ["round", "cancel"], ["models", "get"],
                 ["models", "rollback", "1"], ["models", "diff", "1"], ["models", "export", "1"],
                 ["images", "push"], ["train", "--rounds", "0"]):
        done = subprocess.run([BIN / "fml", *args], capture_output=True, text=True)
        assert done.returncode == 2, args
        assert "--help" in done.stderr, args


@pytest.mark.parametrize("program", ["fml-manager", "fml-proplet", "fml-coordinator",
                                     "fml-model-server"])
def test_every_daemon_has_help_and_refuses_nonsense(program):
    done = subprocess.run([BIN / program, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--broker" in done.stdout
    done = subprocess.run([BIN / program, "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "--help" in done.stderr


def test_a_round_from_the_documents_file(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "example/fl-client-wasm:latest")
    done = fleet.tool("round", "start", write(fleet.folder / "start.json", MISSION_START))
    assert "completed" in done.stdout
    status = json.loads(fleet.tool("status", "--json").stdout)
    assert {p["proplet_id"] for p in status["manager"]["proplets"]} == set(
        MISSION_START["participants"])
    text = fleet.tool("status").stdout
    assert "proplet-1" in text and "r-0001" in text
    listed = fleet.tool("models", "list").stdout
    assert "global_model_v0" in listed and "global_model_v1" in listed
    out = fleet.folder / "v1.json"
    fleet.tool("models", "get", "1", "-o", out)
    assert json.loads(out.read_text())["version"] == 1
    # An id that was used, a model that is not there: each says so and fails.
    done = fleet.tool("models", "get", "99", check=False)
    assert done.returncode == 1 and "99" in done.stderr


def test_a_series_of_rounds(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "client")
    csv = fleet.folder / "rows.csv"
    done = fleet.tool("train", "--rounds", "3", "--image", "client", "--csv", csv,
                      "--prefix", "run")
    assert len(csv.read_text().splitlines()) == 4
    completes = bus.wait("fl/rounds/+/complete", count=3)
    assert [c.json["model_version"] for c in completes] == [1, 2, 3]
    assert done.stdout.count("\n") >= 3


def test_without_a_manager_it_says_so(fleet, bus):
    done = fleet.tool("status", check=False)
    assert done.returncode == 1
    assert "manager" in done.stderr


def idx4(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + np.ascontiguousarray(array).tobytes())


def test_a_small_demo_from_end_to_end(tmp_path):
    """The demo's whole story, on the digits set instead of MNIST."""
    data = tmp_path / "data"
    data.mkdir()
    for ours, theirs in (("train", "train"), ("test", "t10k")):
        idx4(data / f"{theirs}-images-idx3-ubyte", read_idx(VECTORS / f"{ours}-images.idx3-ubyte"))
        idx4(data / f"{theirs}-labels-idx1-ubyte", read_idx(VECTORS / f"{ours}-labels.idx1-ubyte"))
    done = subprocess.run(
        [BIN / "fml", "demo", "--devices", "3", "--rounds", "2", "--data", data,
         "--dir", tmp_path / "work", "--keep"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    assert re.fullmatch(
        r"demo: devices=3 rounds=2 test_accuracy=0\.\d{4} seconds=\d+(\.\d+)?", last), last
    # It leaves no process behind.
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "work")], capture_output=True, text=True)
    assert left.stdout == ""
