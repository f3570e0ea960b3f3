"""Versions: where they come from, what points at them, and how to go back."""

import json

import pytest
from safetensors import safe_open

from fleet import MISSION_START

PROPLETS = ["proplet-1", "proplet-2"]


def start_round(bus, round_id, base, n=2):
    """A round whose updates this test sends itself."""
    bus.publish("fl/rounds/start", MISSION_START | {
        "round_id": round_id, "model_uri": f"fl/models/global_model_v{base}",
        "participants": PROPLETS[:n], "k_of_n": n, "timeout_s": 60})
    until_open(bus, round_id)


def until_open(bus, round_id):
    bus.wait(f"fl/rounds/{round_id}/state", lambda m: m.json["state"] == "open")


def send_updates(bus, round_id, base, value, n=2):
    for name in PROPLETS[:n]:
        bus.publish("fml/updates", {
            "round_id": round_id, "base_model_uri": f"fl/models/global_model_v{base}",
            "num_samples": 10, "metrics": {"loss": value},
            "update": {"w": [value, value, value], "b": value}}, round=round_id, sender=name)


def play(bus, round_id, base, value):
    start_round(bus, round_id, base)
    send_updates(bus, round_id, base, value)
    return bus.wait(f"fl/rounds/{round_id}/complete").json


def pointed(bus, channel, version):
    """Waits until a channel says so."""
    return bus.wait(f"fl/models/global_model/channels/{channel}",
                    lambda m: m.json["version"] == version).json


def listed(fleet):
    models = json.loads(fleet.tool("models", "list", "--json").stdout)
    return {m["version"]: m for m in models if m["name"] == "global_model"}


@pytest.fixture
def three(fleet, bus):
    """Versions 1, 2 and 3, each the child of the one before."""
    fleet.coordinator()
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    for n in (1, 2, 3):
        assert play(bus, f"r-{n}", n - 1, n)["model_version"] == n
        pointed(bus, "latest", n)
    return fleet


def test_a_version_says_where_it_comes_from(three, bus):
    models = listed(three)
    for n in (1, 2, 3):
        m = models[n]
        assert m["parent"] == f"fl/models/global_model_v{n - 1}"
        assert m["round_id"] == f"r-{n}"
        assert (m["contributors"], m["samples"]) == (2, 20)
        assert m["metrics"] == {"loss": n}
    assert models[0]["parent"] == ""
    text = three.tool("models", "list").stdout
    assert "latest" in text and "loss 3" in text
    shown = three.tool("models", "show", "3").stdout
    assert "fl/models/global_model_v2" in shown and "r-3" in shown
    # JSON models stay exactly the FML demo's.
    assert set(bus.wait("fl/models/global_model_v3").json) == {"w", "b", "version"}


def test_rollback_while_a_round_is_open_leaves_both_histories_right(three, bus):
    three.tool("models", "point", "--channel", "stable", "2", "--reason", "measured well")
    pointed(bus, "stable", 2)
    start_round(bus, "r-4", 3)
    before = {n: bus.wait(f"fl/models/global_model_v{n}").payload for n in range(4)}

    done = three.tool("models", "rollback", "--channel", "latest", "1", "--reason", "2, 3 are worse")
    assert "was version 3" in done.stdout
    pointed(bus, "latest", 1)
    assert pointed(bus, "stable", 2)["why"] == "measured well"

    # Another round starts from where latest points now; its child is a sibling of 2.
    assert play(bus, "r-5", 1, 5)["model_version"] == 4
    # The round that was open makes its child of its own base.
    send_updates(bus, "r-4", 3, 4)
    complete = bus.wait("fl/rounds/r-4/complete").json
    assert (complete["status"], complete["model_version"]) == ("completed", 5)
    pointed(bus, "latest", 5)  # each publication moves latest; stable stays
    models = listed(three)
    assert models[4]["parent"] == "fl/models/global_model_v1"
    assert models[5]["parent"] == "fl/models/global_model_v3"
    assert models[5]["channels"] == "latest" and models[2]["channels"] == "stable"

    history = json.loads(three.tool("models", "history", "global_model", "--json").stdout)
    moves = [(e["do"], e["channel"], e.get("from"), e["to"]) for e in history]
    assert moves == [
        ("published", "latest", None, 0), ("published", "latest", 0, 1),
        ("published", "latest", 1, 2), ("published", "latest", 2, 3),
        ("pointed", "stable", None, 2), ("rolled_back", "latest", 3, 1),
        ("published", "latest", 1, 4), ("published", "latest", 4, 5)]
    assert history[5]["why"] == "2, 3 are worse" and history[5]["who"] and history[5]["at"]
    # Nothing that was published has changed.
    newcomer = three.bus()
    for n, payload in before.items():
        assert newcomer.wait(f"fl/models/global_model_v{n}").payload == payload


def test_restart_of_server_and_broker_keeps_all(three, bus):
    three.tool("models", "point", "1", "--reason", "good")
    three.tool("models", "rollback", "2", "--reason", "3 is worse")
    history = three.tool("models", "history", "--json").stdout
    models = listed(three)
    server, broker = three.programs["model-server"], three.programs["mosquitto"]
    server.kill()
    broker.kill()  # its store is gone with it
    broker.start()
    three._await_port()
    server.start()
    newcomer = three.bus()
    assert newcomer.wait("fl/models/global_model/channels/latest").json["version"] == 2
    assert newcomer.wait("fl/models/global_model/channels/stable").json["why"] == "good"
    newcomer.wait("fl/models/index")
    assert listed(three) == models
    assert three.tool("models", "history", "--json").stdout == history


def test_the_tool_starts_rounds_from_channels(three, bus):
    three.tool("models", "point", "1", "--reason", "good")
    common = ["--image", "x", "--participants", "a", "--no-wait"]
    for n, (model, base) in enumerate([(["--model", "global_model@stable"], 1), ([], 3),
                                       (["--model", "@latest"], 3)]):
        three.tool("round", "start", "--id", f"c-{n}", *model, *common)
        start = bus.wait("fl/rounds/start", lambda m: m.json["round_id"] == f"c-{n}").json
        assert start["model_uri"] == f"fl/models/global_model_v{base}"
    three.tool("models", "rollback", "2", "--reason", "3 is worse")
    three.tool("round", "start", "--id", "c-9", *common)
    start = bus.wait("fl/rounds/start", lambda m: m.json["round_id"] == "c-9").json
    assert start["model_uri"] == "fl/models/global_model_v2"
    done = three.tool("round", "start", "--model", "global_model@none", *common, check=False)
    assert done.returncode == 1 and "global_model@none" in done.stderr


def test_mistakes_are_refused_with_a_sentence_and_change_nothing(three, bus):
    before = three.tool("models", "history", "--json").stdout
    for args, sentence in [
            (["rollback", "9"], "no model 9"),
            (["rollback", "3", "--channel", "stable"], "unknown_channel"),
            (["point", "9"], "no model 9")]:
        done = three.tool("models", *args, "--reason", "x", check=False)
        assert done.returncode == 1 and sentence in done.stderr, (args, done.stderr)
    three.tool("models", "rollback", "1", "--reason", "x")
    done = three.tool("models", "rollback", "2", "--reason", "x", check=False)
    assert "not_older" in done.stderr
    history = json.loads(three.tool("models", "history", "--json").stdout)
    assert history[:-1] == json.loads(before)


def test_export_and_diff(three, bus):
    out = three.folder / "v2.json"
    three.tool("models", "export", "2", "-o", out)
    assert json.loads(out.read_text()) == {"w": [2, 2, 2], "b": 2, "version": 2}
    rows = json.loads(three.tool("models", "diff", out, "3", "--json").stdout)
    by_name = {r["tensor"]: r for r in rows}
    assert by_name["w"]["largest"] == by_name["w"]["mean"] == 1
    assert by_name["w"]["norm_diff"] == pytest.approx(3 ** 0.5)
    assert by_name["all"]["values"] == 4 and by_name["all"]["norm_b"] == 6
    assert "LARGEST" in three.tool("models", "diff", "1", "3").stdout


def test_a_flipped_bit_is_never_served(three, bus):
    path = three.folder / "models" / "global_model_v1.json"
    right = path.read_bytes()
    path.write_bytes(right.replace(b"1", b"3", 1))
    done = three.tool("models", "rollback", "1", "--reason", "x", check=False)
    assert done.returncode == 1 and "corrupt" in done.stderr
    server, broker = three.programs["model-server"], three.programs["mosquitto"]
    server.kill()
    broker.kill()
    broker.start()
    three._await_port()
    server.start()
    newcomer = three.bus()
    newcomer.wait("fl/models/global_model/channels/latest")
    assert not newcomer.find("fl/models/global_model_v1")
    done = three.tool("models", "export", "1", "-o", three.folder / "x", check=False)
    assert done.returncode == 1 and not (three.folder / "x").exists()
    # The right bytes again repair it.
    three.tool("models", "publish", write_to(three, right), "--as", "global_model_v1")
    three.tool("models", "rollback", "1", "--reason", "x")


def write_to(fleet, payload):
    path = fleet.folder / "again.json"
    path.write_bytes(payload)
    return path


def test_pruning_keeps_what_is_needed(three, bus):
    start_round(bus, "r-4", 1)
    three.tool("models", "point", "0", "--reason", "the origin")
    shown = three.tool("models", "prune", "--keep", "1", "--reason", "room", "--dry-run").stdout
    assert shown.split("\n")[:2] == ["fl/models/global_model_v2", "1 versions would be deleted"]
    three.tool("models", "prune", "--keep", "1", "--reason", "room")
    files = {p.name for p in (three.folder / "models").glob("*_v*")}
    assert files == {f"global_model_v{n}.json" for n in (0, 1, 3)}
    models = listed(three)
    assert models[2]["deleted"] and models[3]["parent"] == "fl/models/global_model_v2"
    # The open round ends as if nothing had been.
    send_updates(bus, "r-4", 1, 4)
    assert bus.wait("fl/rounds/r-4/complete").json["model_version"] == 4
    history = json.loads(three.tool("models", "history", "--json").stdout)
    assert [e["to"] for e in history if e["do"] == "deleted"] == [2]


def test_without_a_coordinator_nothing_is_deleted(three, bus):
    three.programs["coordinator"].kill()
    done = three.tool("models", "prune", "--keep", "1", "--reason", "room", check=False)
    assert done.returncode == 1 and "rounds_unknown" in done.stderr
    assert len(list((three.folder / "models").glob("*_v*"))) == 4


def test_safetensors_carry_their_lineage(fleet, bus, tmp_path):
    initial = tmp_path / "initial.safetensors"
    fleet.tool("models", "init", "--layers", "2,2", "-o", initial)
    fleet.coordinator()
    fleet.model_server("--initial", initial)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    start_round(bus, "r-1", 0, 1)
    bus.publish("fml/updates", {
        "round_id": "r-1", "base_model_uri": "fl/models/global_model_v0", "num_samples": 7,
        "metrics": {"accuracy": 0.5},
        "update": {"dense1.weight": [[1, 0], [0, 1]], "dense1.bias": [1, 1]}},
        round="r-1", sender="proplet-1")
    assert bus.wait("fl/rounds/r-1/complete").json["model_version"] == 1
    out = tmp_path / "v1.safetensors"
    fleet.tool("models", "export", "1", "-o", out)
    with safe_open(out, "np") as f:
        said = f.metadata()
    assert said["parent"] == "fl/models/global_model_v0"
    assert (said["contributors"], said["num_samples"]) == ("1", "7")
    assert json.loads(said["metrics"]) == {"accuracy": 0.5}
