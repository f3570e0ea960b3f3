"""The coordinator's disk is full: a small tmpfs in a mount namespace of its own."""

import os
import subprocess

import pytest

from fleet import BIN, MISSION_START
from test_coordinator_crash import SENT, assert_one_version
from test_refusals import send

IN_NAMESPACE = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'


@pytest.fixture
def small_disk(fleet, bus):
    """The coordinator on a disk of 2 MiB; gives the folder as this process sees it."""
    folder = fleet.folder / "small"
    folder.mkdir()
    enter = ["unshare", "-rm", "sh", "-c"]
    if subprocess.run([*enter, IN_NAMESPACE, folder, "true"], capture_output=True).returncode:
        pytest.skip("this machine permits no mount namespace")
    program = fleet.add("coordinator", [
        *enter, IN_NAMESPACE, folder, BIN / "fml-coordinator", "--broker", fleet.broker,
        "--state-dir", folder / "state"])
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    return f"/proc/{program.process.pid}/root{folder}"


def fill(path):
    with open(path, "wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def test_a_full_disk_postpones_updates_and_recovers(fleet, bus, small_disk):
    bus.publish("fl/rounds/start", MISSION_START | {"timeout_s": 600})
    send(bus, "proplet-1", SENT["proplet-1"])
    fill(f"{small_disk}/ballast")
    for _ in range(100):  # more than the broker hands over at once: each is answered
        receipt = send(bus, "proplet-2", SENT["proplet-2"])
        assert (receipt["status"], receipt["code"]) == ("postponed", "not_stored"), receipt
    fleet.programs["coordinator"].await_text("store.full")
    bus.publish("fl/rounds/start", MISSION_START | {"round_id": "r-2"})
    assert bus.wait("fl/rounds/refused").json["code"] == "not_stored"
    assert bus.wait("fl/rounds/r-2/complete").json["reason"] == "not_stored"
    [round_] = bus.request("fl/rounds/query", {"what": "status"})["open"]
    assert round_["num_updates"] == 1
    # What it was told and could not keep, it asked the broker for again, and answered.
    assert "what came could not be kept" in fleet.programs["coordinator"].text()

    os.unlink(f"{small_disk}/ballast")
    fleet.programs["coordinator"].await_text("store.recovered")
    for sender, payload in SENT.items():
        assert send(bus, sender, payload)["code"] == "accepted"
    bus.wait("fl/rounds/r-0001/complete")
    assert_one_version(bus)
    for sender in SENT:  # in the end, and for good
        codes = [m.json["code"] for m in bus.find(f"fl/rounds/r-0001/receipts/{sender}")]
        kept = codes.index("accepted")
        assert set(codes[:kept]) <= {"not_stored"} and set(codes[kept:]) == {"accepted"}, codes
