"""A device or the coordinator is cut off in mid-round and comes back; all come back at once.

What was acknowledged counts exactly once, and the receipts arrive (P13).
"""

import json
import os
import shutil
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from fleet import BIN, MISSION_START, P, WASM
from link import DOWN, UP, Link
from test_coordinator_crash import SENT, assert_all_accepted, assert_one_version, status
from test_refusals import send, update

PROPLETS = MISSION_START["participants"]
LAST = PROPLETS[-1]
STORM = 150  # clients; five files each, and this one's select() takes 1024


@pytest.fixture
def link(fleet):
    made = Link(fleet.port)
    yield made
    made.close()


# ---- a device ----

def core_with(fleet, bus, start_last):
    """The fleet whose last proplet starts as the test wants it, and its guest."""
    fleet.manager()
    fleet.coordinator()
    fleet.model_server()
    for name in PROPLETS[:-1]:
        fleet.proplet(name)
    start_last()
    fleet.await_alive(bus, *PROPLETS)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "slow_client.wasm", "slow")


def play_with_one_away(fleet, bus, go, come_back):
    """A round whose last proplet goes while its guest runs, and returns with the update."""
    bus.publish("fl/rounds/start", MISSION_START | {
        "task_wasm_image": "slow", "timeout_s": 120, "hyperparams": {"seconds": 1}})
    bus.wait(f"{P}/control/manager/tasks", lambda m: m.json["state"] == "running", count=3)
    fleet.programs[LAST].await_text("to=run")
    go()
    for name in PROPLETS[:-1]:
        bus.wait(f"fl/rounds/r-0001/receipts/{name}", lambda m: m.json["code"] == "accepted")
    fleet.programs[LAST].await_text("task.ended")
    assert [r["num_updates"] for r in status(bus)["open"]] == [2]
    assert not bus.find(f"fl/rounds/r-0001/receipts/{LAST}")
    come_back()
    complete = bus.wait("fl/rounds/r-0001/complete", limit_s=90).json
    assert (complete["status"], complete["num_updates"]) == ("completed", 3), complete
    assert complete["total_samples"] == 30
    # The device has its receipt too, so it sends no more.
    fleet.programs[LAST].await_text("update.accepted")
    assert {m.json["code"] for m in bus.find("fl/rounds/r-0001/receipts/+")} == {"accepted"}
    # Each adds its number to the base of zeros: (1 + 2 + 3) / 3.
    assert bus.wait(complete["model_topic"]).json["b"] == 2


def test_a_proplet_whose_connection_breaks_counts_once(fleet, bus, link):
    core_with(fleet, bus, lambda: fleet.proplet(LAST, None, "--broker", link.url))
    play_with_one_away(fleet, bus, link.cut, link.heal)
    assert link.connections >= 2


def test_a_proplet_behind_a_silent_link_counts_once(fleet, bus, link):
    core_with(fleet, bus, lambda: fleet.proplet(LAST, None, "--broker", link.url))
    play_with_one_away(fleet, bus, link.hold, link.heal)


class Namespace:
    """A network of its own for one program: two ends of a wire that can be unplugged."""

    def __init__(self, fleet):
        number = os.getpid() % 10000
        self.fleet, self.name = fleet, f"fml-{number}"
        self.outside, self.inside = f"fmlo{number}", f"fmli{number}"
        self.address = f"10.{200 + number // 250 % 50}.{number % 250}.1"
        peer = self.address[:-1] + "2"
        self.run("ip", "netns", "add", self.name)
        self.run("ip", "link", "add", self.outside, "type", "veth", "peer", "name", self.inside)
        self.run("ip", "link", "set", self.inside, "netns", self.name)
        self.run("ip", "address", "add", self.address + "/24", "dev", self.outside)
        self.run("ip", "link", "set", self.outside, "up")
        self.run(*self.enter, "ip", "address", "add", peer + "/24", "dev", self.inside)
        self.run(*self.enter, "ip", "link", "set", self.inside, "up")

    @property
    def enter(self):
        return ["ip", "netns", "exec", self.name]

    @staticmethod
    def run(*argv):
        subprocess.run(argv, check=True, capture_output=True)

    def listen(self):
        """The broker also listens here; nothing is connected to it yet."""
        broker = self.fleet.programs["mosquitto"]
        with open(broker.argv[-1], "a") as config:
            config.write(f"listener {self.fleet.port} {self.address}\n")
        broker.kill()
        broker.start()
        self.fleet._await_port()

    def unplug(self):
        self.run(*self.enter, "ip", "link", "set", self.inside, "down")

    def plug(self):
        self.run(*self.enter, "ip", "link", "set", self.inside, "up")

    def close(self):
        subprocess.run(["ip", "link", "delete", self.outside], capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)


@pytest.fixture
def namespace(fleet):
    if shutil.which("ip") is None:
        pytest.skip("this machine has no program ip")
    try:
        made = Namespace(fleet)
    except subprocess.CalledProcessError as failure:
        pytest.skip(f"this machine permits no network namespace: {failure.stderr!r}")
    yield made
    made.close()


def test_a_proplet_whose_wire_is_unplugged_counts_once(fleet, namespace):
    namespace.listen()
    bus = fleet.bus()

    def start_last():
        fleet.add(LAST, [
            *namespace.enter, BIN / "fml-proplet", "--id", LAST,
            "--broker", f"tcp://{namespace.address}:{fleet.port}",
            "--state-dir", fleet.folder / LAST, "--log-level", "debug"])

    core_with(fleet, bus, start_last)
    play_with_one_away(fleet, bus, namespace.unplug, namespace.plug)


# ---- the coordinator ----

def core_behind(fleet, bus, link):
    fleet.coordinator("--broker", link.url)
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    bus.publish("fl/rounds/start", MISSION_START | {"timeout_s": 600})
    assert send(bus, "proplet-1", SENT["proplet-1"])["code"] == "accepted"


def publish_twice(bus, senders):
    """As devices do that get no receipt."""
    for _ in range(2):
        for sender in senders:
            bus.publish("fml/updates", SENT[sender], sender=sender, round="r-0001")


@pytest.mark.parametrize("away", ["cut", "hold"])
def test_updates_wait_for_a_coordinator_that_is_cut_off(fleet, bus, link, away):
    core_behind(fleet, bus, link)
    getattr(link, away)()
    publish_twice(bus, ["proplet-2", "proplet-3"])
    link.heal()
    for sender in ("proplet-2", "proplet-3"):
        bus.wait(f"fl/rounds/r-0001/receipts/{sender}")
    assert_one_version(bus)
    assert_all_accepted(bus)


def test_receipts_that_were_lost_with_the_connection_are_sent_again(fleet, bus, link):
    core_behind(fleet, bus, link)
    link.hold(UP)
    bus.publish("fml/updates", SENT["proplet-2"], sender="proplet-2", round="r-0001")
    # It has counted the update, and its receipt and acknowledgement are on the wire.
    fleet.programs["coordinator"].await_text("update.accepted", count=2)
    assert not bus.find("fl/rounds/r-0001/receipts/proplet-2")
    link.cut()
    link.heal()
    # Nobody asked again: the receipt comes by itself.
    bus.wait("fl/rounds/r-0001/receipts/proplet-2", lambda m: m.json["code"] == "accepted")
    assert send(bus, "proplet-3", SENT["proplet-3"])["code"] == "accepted"
    assert_one_version(bus)
    assert_all_accepted(bus)


def test_a_round_that_ends_while_receipts_cannot_arrive_is_told_later(fleet, bus, link):
    core_behind(fleet, bus, link)
    link.hold(DOWN)
    publish_twice(bus, ["proplet-2", "proplet-3"])
    link.cut()
    link.heal()
    assert_one_version(bus)
    for sender in SENT:
        bus.wait(f"fl/rounds/r-0001/receipts/{sender}", lambda m: m.json["code"] == "accepted")
    assert_all_accepted(bus)


# ---- all at once ----

class Device:
    """Sends its update at each connect until it has its receipt."""

    def __init__(self, name, port, news):
        self.name, self.news, self.receipts, self.connects = name, news, [], 0
        self.payload = update(num_samples=1, update={"w": [1, 2, 3], "b": int(name[2:])})
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name,
                                  protocol=mqtt.MQTTv5)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_message = self.on_message
        self.client.reconnect_delay_set(1, 1)
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 300
        self.client.connect_async("127.0.0.1", port, clean_start=False, properties=properties)

    def on_connect(self, *_):
        self.client.subscribe(f"fl/rounds/r-0001/receipts/{self.name}", qos=1)

    def on_subscribe(self, *_):
        with self.news:
            self.connects += 1
            self.news.notify_all()
        self.send()

    def send(self):
        if self.receipts:
            return
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("sender", self.name), ("round", "r-0001")]
        self.client.publish("fml/updates", self.payload, qos=1, properties=properties)

    def on_message(self, _client, _userdata, message):
        with self.news:
            self.receipts.append(json.loads(message.payload)["code"])
            self.news.notify_all()


def test_a_storm_of_reconnects_loses_no_receipt(fleet, bus, link):
    names = [f"d-{n}" for n in range(1, STORM + 1)]
    fleet.coordinator("--broker", link.url)
    fleet.model_server()
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    bus.publish("fl/rounds/start", MISSION_START | {
        "participants": names, "k_of_n": STORM, "timeout_s": 600})
    bus.wait("fl/rounds/r-0001/state", limit_s=30)
    news = threading.Condition()
    devices = [Device(name, link.port, news) for name in names]
    try:
        for device in devices:
            device.client.loop_start()
        # Three times all of them lose their connection, the coordinator too. The
        # last time waits for whoever has not connected yet, so that each has lost
        # a connection in the end.
        for share, connects in ((0.1, 0), (0.4, 0), (0.7, 1)):
            with news:
                assert news.wait_for(
                    lambda: sum(bool(d.receipts) for d in devices) >= share * STORM
                    and all(d.connects >= connects for d in devices), 60)
            link.cut()
            link.heal()
        with news:
            assert news.wait_for(lambda: all(d.receipts for d in devices), 120), \
                [d.name for d in devices if not d.receipts]
            assert news.wait_for(lambda: all(d.connects >= 2 for d in devices), 60)
    finally:
        for device in devices:
            device.client.disconnect()
            device.client.loop_stop()
    assert {code for d in devices for code in d.receipts} == {"accepted"}
    complete = bus.wait("fl/rounds/r-0001/complete").json
    assert (complete["status"], complete["num_updates"]) == ("completed", STORM)
    assert complete["total_samples"] == STORM
    model = bus.wait(complete["model_topic"]).json
    assert model["w"] == [1, 2, 3]
    assert model["b"] == (STORM + 1) / 2  # the mean of 1, ..., STORM
