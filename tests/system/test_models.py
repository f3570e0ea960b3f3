"""The model server: v0, versions that never change, refusals, its own restart."""

import hashlib

import numpy as np
from safetensors.numpy import load, save


def test_it_serves_v0_at_start(fleet, bus):
    fleet.model_server()
    model = bus.wait("fl/models/global_model_v0")
    assert model.retain
    assert model.json == {"w": [0, 0, 0], "b": 0, "version": 0}
    assert model.properties["digest"] == "sha256:" + hashlib.sha256(model.payload).hexdigest()


def test_versions_survive_a_restart_and_an_empty_broker(fleet, bus):
    server = fleet.model_server()
    bus.wait("fl/models/global_model_v0")
    bus.publish("fl/models/publish", {"w": [1, 2, 3], "b": 4, "version": 1})
    first = bus.wait("fl/models/global_model_v1")
    bus.wait("fl/models/index", lambda m: len(m.json["models"]) == 2)
    server.kill()
    # A broker that forgot everything: what was retained must come again.
    fleet.programs["mosquitto"].kill()
    fleet.programs["mosquitto"].start()
    fleet._await_port()
    server.start()
    newcomer = fleet.bus()
    again = newcomer.wait("fl/models/global_model_v1")
    assert again.payload == first.payload
    index = newcomer.wait("fl/models/index").json
    assert [m["version"] for m in index["models"]] == [0, 1]


def test_a_version_never_changes(fleet, bus):
    fleet.model_server()
    before = bus.wait("fl/models/global_model_v0")
    bus.publish("fl/models/publish", {"w": [666], "b": 0, "version": 0})
    refusal = bus.wait("fl/models/refused").json
    assert refusal["code"] == "version_exists"
    assert refusal["version"] == 0
    assert fleet.bus().wait("fl/models/global_model_v0").payload == before.payload
    # The very same bytes again are no change, and no refusal.
    bus.publish("fl/models/publish", before.payload)
    bus.publish("fl/models/publish", {"w": [1], "b": 0, "version": 7})
    bus.wait("fl/models/global_model_v7")
    assert len(bus.find("fl/models/refused")) == 1


def test_what_is_no_model_is_refused_by_name_and_changes_nothing(fleet, bus):
    fleet.model_server()
    bus.wait("fl/models/index")
    bad = [b"{", b"[]", b'{"w":[1,[2]],"version":1}', b'{"w":[1e99],"version":1}',
           b'{"w":[1],"version":-1}', b'{"w":[1]}', b"\x05\0\0\0\0\0\0\0{}   ", b'{"w":true,"version":1}']
    for payload in bad:
        mark = bus.mark()
        bus.publish("fl/models/publish", payload)
        refusal = bus.wait("fl/models/refused", after=mark).json
        assert refusal["code"] and len(refusal["reason"]) > 5
    bus.publish("fl/models/publish", {"w": [1], "version": 2})
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) > 1).json
    assert [m["version"] for m in index["models"]] == [0, 2]


def test_safetensors_of_python_go_in_and_out(fleet, bus):
    fleet.model_server()
    bus.wait("fl/models/global_model_v0")
    tensors = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([0.5])}
    payload = save(tensors, metadata={"version": "1", "name": "global_model"})
    bus.publish("fl/models/publish", payload)
    back = bus.wait("fl/models/global_model_v1")
    loaded = load(back.payload)
    assert set(loaded) == {"w", "b"}
    assert np.array_equal(loaded["w"], tensors["w"])
    index = bus.wait("fl/models/index", lambda m: len(m.json["models"]) == 2).json
    assert index["models"][1]["form"] == "safetensors"
