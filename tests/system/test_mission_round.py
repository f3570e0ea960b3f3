"""The FML demo document's own JSON, published as it stands, step by step."""

import copy
import json
import shutil
import subprocess

import pytest

from fleet import MISSION_START, P, WASM


def mosquitto_pub(fleet, topic, text):
    subprocess.run(
        [shutil.which("mosquitto_pub"), "-h", "localhost", "-p", str(fleet.port),
         "-t", topic, "-m", text], check=True)


@pytest.mark.parametrize("client", ["mission-client-c", "mission-client-go"])
def test_the_documents_round(fleet, bus, client):
    if not (WASM / f"{client}.wasm").exists():
        pytest.skip("no Go of version 1.21 or newer: the Go example was not built")
    fleet.core(bus)
    fleet.push(WASM / f"{client}.wasm", "example/fl-client-wasm:latest")

    # Step 1: the document's own words.
    mosquitto_pub(fleet, "fl/rounds/start", json.dumps(MISSION_START))

    # Step 2: one task for each participant, on its own topic, never on the shared one.
    for name in MISSION_START["participants"]:
        start = bus.wait(f"{P}/control/manager/start/{name}").json
        assert start["name"] == f"fl-round-r-0001-{name}"
        assert start["proplet_id"] == name
        assert start["env"]["ROUND_ID"] == "r-0001"
        assert start["env"]["MODEL_URI"] == "fl/models/global_model_v0"
        assert json.loads(start["env"]["HYPERPARAMS"]) == MISSION_START["hyperparams"]
        assert start["spec"]["round"]["id"] == "r-0001"
        assert start["spec"]["model"]["uri"] == "fl/models/global_model_v0"
        assert start["spec"]["model"]["digest"].startswith("sha256:")
        assert start["spec"]["mode"] == "train"
        assert start["spec"]["hyperparams"] == MISSION_START["hyperparams"]
    assert not bus.find(f"{P}/control/manager/start")

    # Step 3: updates from three proplets, as the guest printed them.
    updates = {}
    for name in MISSION_START["participants"]:
        message = bus.wait(f"fl/rounds/r-0001/updates/{name}")
        updates[name] = message.payload
        assert message.json["round_id"] == "r-0001"
        assert set(message.json["update"]) == {"w", "b"}

    # Step 4: forwarded byte for byte, with sender and round beside the payload.
    for message in bus.wait("fml/updates", count=3):
        assert message.payload == updates[message.properties["sender"]]
        assert message.properties["round"] == "r-0001"

    # Step 5: aggregated by FedAvg, published, completed.
    for name in MISSION_START["participants"]:
        receipt = bus.wait(f"fl/rounds/r-0001/receipts/{name}").json
        assert receipt["status"] == "accepted", receipt
    published = bus.wait("fl/models/publish").json
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert complete["status"] == "completed"
    assert complete["num_updates"] == 3
    assert complete["model_version"] == 1
    assert complete["model_topic"] == "fl/models/global_model_v1"
    parsed = [json.loads(u) for u in updates.values()]
    samples = sum(u["num_samples"] for u in parsed)
    assert complete["total_samples"] == samples
    for i in range(3):
        mean = sum(u["num_samples"] * u["update"]["w"][i] for u in parsed) / samples
        assert published["w"][i] == pytest.approx(mean, abs=1e-6)

    # Step 6: on its topic, retained: a newcomer gets it without asking anyone.
    newcomer = fleet.bus(filters=("fl/models/global_model_v1",))
    model = newcomer.wait("fl/models/global_model_v1")
    assert model.retain and model.json["version"] == 1
    assert model.json["w"] == published["w"]
    assert bus.find("fl/models/global_model_v1")[0].payload == model.payload

    # Every start has an end.
    results = bus.wait(f"{P}/control/proplet/results", count=3)
    assert all(r.json["error"] is None for r in results)


def test_a_chain_of_rounds_over_the_last_version(fleet, bus):
    fleet.core(bus)
    fleet.push(WASM / "mission-client-c.wasm", "example/fl-client-wasm")
    for n in range(1, 4):
        start = copy.deepcopy(MISSION_START)
        start |= {"round_id": f"r-{n}", "model_uri": f"fl/models/global_model_v{n - 1}"}
        complete = fleet.round(bus, start)
        assert (complete["status"], complete["model_version"]) == ("completed", n), complete
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) == 4).json
    assert [m["version"] for m in index["models"]] == [0, 1, 2, 3]
    assert [m.get("round_id") for m in index["models"][1:]] == ["r-1", "r-2", "r-3"]
