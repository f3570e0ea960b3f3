"""Images: pushed in parts, named, fetched by digest, verified."""

import hashlib

from fleet import MISSION_START, P, WASM


def test_push_names_a_digest_and_twice_is_harmless(fleet, bus):
    fleet.manager()
    wasm = WASM / "mission-client-c.wasm"
    digest = "sha256:" + hashlib.sha256(wasm.read_bytes()).hexdigest()
    for _ in range(2):
        fleet.push(wasm, "client:v1")
        pushed = bus.wait(f"{P}/registry/pushed/+").json
        assert pushed["status"] == "stored" and pushed["digest"] == digest
    status = bus.request(f"{P}/control/manager/query", {"what": "status"})
    assert [(i["name"], i["digest"]) for i in status["images"]] == [("client:v1", digest)]
    # The second push knew the blob already: no part travelled twice.
    parts = [m.topic for m in bus.find(f"{P}/registry/part/#")]
    assert len(parts) == len(set(parts))


def test_what_is_no_module_is_refused(fleet, bus):
    fleet.manager()
    text = fleet.folder / "not.wasm"
    text.write_text("hello, I am not a module")
    done = fleet.tool("images", "push", text, check=False)
    assert done.returncode == 1
    refused = bus.wait(f"{P}/registry/pushed/+").json
    assert refused["status"] == "refused" and refused["reason"]
    assert bus.request(f"{P}/control/manager/query", {"what": "status"})["images"] == []


def test_a_forged_part_is_asked_for_again(fleet, bus):
    """A part whose bytes are not what the manifest says changes nothing."""
    fleet.manager()
    blob = b"\0asm\x01\0\0\0" + bytes(range(256)) * 3
    digest = hashlib.sha256(blob).hexdigest()
    manifest = {"digest": f"sha256:{digest}", "size": len(blob), "part_size": 262144,
                "parts": [hashlib.sha256(blob).hexdigest()]}
    # Only an answer to the query proves that the manager has subscribed.
    bus.request(f"{P}/control/manager/query", {"what": "status"})
    bus.publish(f"{P}/registry/push", {"name": "forged:v1", "client_id": "tester",
                                       "manifest": manifest})
    bus.wait(f"{P}/registry/get/tester")
    mark = bus.mark()
    bus.publish(f"{P}/registry/part/manager/{digest}/0", b"\0asm" + bytes(len(blob) - 4))
    bus.wait(f"{P}/registry/get/tester", after=mark)
    assert not bus.find(f"{P}/registry/pushed/tester")
    bus.publish(f"{P}/registry/part/manager/{digest}/0", blob)
    assert bus.wait(f"{P}/registry/pushed/tester").json["status"] == "stored"


def test_a_proplet_fetches_once_and_keeps_it(fleet, bus):
    fleet.core(bus, ["proplet-1"])
    fleet.push(WASM / "mission-client-c.wasm", "client:v1")
    start = MISSION_START | {"participants": ["proplet-1"], "k_of_n": 1,
                             "task_wasm_image": "client:v1"}
    assert fleet.round(bus, start | {"round_id": "r-1"})["status"] == "completed"
    mark = bus.mark()
    # Its own restart does not lose the cache either.
    proplet = fleet.programs["proplet-1"]
    proplet.stop()
    proplet.start()
    bus.wait(f"{P}/control/proplet/create", after=mark)
    fleet.await_alive(bus, "proplet-1")
    assert fleet.round(bus, start | {"round_id": "r-2"})["status"] == "completed"
    assert not bus.find(f"{P}/registry/part/proplet-1/#", after=mark)


def test_an_unknown_image_ends_every_task_with_its_name(fleet, bus):
    fleet.core(bus)
    bus.publish("fl/rounds/start", MISSION_START)
    events = bus.wait(f"{P}/control/manager/tasks",
                      lambda m: m.json["state"] == "failed", count=3)
    assert {e.json["reason"] for e in events} == {"image_unknown"}
    assert not bus.find(f"{P}/control/manager/start/+")
