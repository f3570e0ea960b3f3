"""Kills programs of a real fleet, at each of their calls and at random; checks every account.

See README.md. FML_BUILD names the build.
"""

import argparse
import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
import types

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from account import PROPLETS, Account  # noqa: E402
from faults import KINDS, Page, Sweep  # noqa: E402
from fleet import BUILD, WASM, Fleet, P  # noqa: E402

SERVICES = ["coordinator", "manager", "model-server"]
PLANTABLE = {"fml-coordinator", "fml-model-server"}
TIMEOUT_S = 10
HUNG_S = 120  # a round without its end after this long
AGAIN_S = 1.0  # a start is published again, in case somebody forgot it
CHAIN = 2  # deaths of a restarted program, in one round
ANSWER = "test/answer/rounds"
ROSTER = "test/answer/proplets"
GONE = types.SimpleNamespace(topic="-", payload=b"")


class TortureFleet(Fleet):
    """Each program with the faults preloaded, some replaced by one with a planted bug."""

    def __init__(self, folder, planted):
        self.planted, self.pages = planted, {}
        super().__init__(folder)

    def add(self, name, argv, env=None):
        if name != "mosquitto":
            page = self.pages[name] = Page(self.folder / f"{name}.faults")
            # A sanitizer's library need not be the first one: fault.c needs none.
            asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
            env = {**(env or {}), "FML_FAULT": str(page.path), "ASAN_OPTIONS": asan,
                   "LD_PRELOAD": str(BUILD / "tests/torture/libfml_fault.so")}
            argv = [self.planted.get(pathlib.Path(argv[0]).name, argv[0]), *argv[1:]]
        return super().add(name, argv, env)

    def proplet(self, name, data=None, *options):
        return super().proplet(name, data, "--resend", 1, "--alive-interval", 1, *options)


class Torture:
    def __init__(self, fleet, args):
        self.fleet, self.args = fleet, args
        self.random = random.Random(args.seed)
        self.account = Account()
        self.bus = fleet.bus()
        # Before any program, so that nothing is said while it is away.
        self.bus.client.reconnect_delay_set(0.01, 0.01)
        self.read = 0
        self.round = 0
        self.kills = collections.Counter()
        self.hung = 0
        self.times = []
        names = [*SERVICES, "proplet"]
        if args.only:
            names = [n for n in names if n in args.only]
        self.round_sweeps = {n: Sweep(f"{n}/round") for n in names}
        self.start_sweeps = {n: Sweep(f"{n}/start") for n in names}
        self.victims = args.only or [*SERVICES * 2, "mosquitto", "mosquitto", "proplet"]
        self.armed = {}  # program: (sweep, strike)
        self.disarmed = {}  # the same; it may have been too late

    # ---- programs ----

    def watch_process(self, name):
        """Its end is news, like a message."""
        process = self.fleet.programs[name].process

        def wait():
            process.wait()
            with self.bus._news:
                self.bus._news.notify_all()

        threading.Thread(target=wait, daemon=True).start()

    def role(self, name):
        return name if name in SERVICES else "proplet"

    def arm(self, name, sweeps):
        """Unless it is ahead of the other sweeps, or no kill is left for it."""
        sweep = sweeps.get(self.role(name))
        if sweep is None or sweep.passes > self.passes() or not self.kills_left():
            return
        strike, n = sweep.point()
        self.armed[name] = (sweep, strike)
        self.fleet.pages[name].arm(strike, n)

    def disarm(self, name):
        self.fleet.pages[name].disarm()
        if name in self.armed:
            self.disarmed[name] = self.armed.pop(name)

    def died(self, name):
        """At the call that was chosen, and no other way."""
        status = self.fleet.programs[name].process.returncode
        sweep, strike = self.armed.pop(name, None) or self.disarmed.pop(name, (None, None))
        if status != -9 or sweep is None:
            self.account.faults.append(f"{name} ended by itself with {status}")
        else:
            sweep.struck(strike)
            self.kills[f"{self.role(name)} at {strike[0]}"] += 1
        self.start_again(name)

    def start_again(self, name):
        if name == "model-server":
            self.account.judge_store(self.fleet.folder / "models")
        self.fleet.programs[name].start()
        self.watch_process(name)
        if name == "mosquitto":
            self.fleet._await_port()
        elif self.chain[name] < CHAIN:
            self.chain[name] += 1
            self.arm(name, self.start_sweeps)

    def kill_at_random(self):
        name = self.random.choice(self.victims)
        if name == "proplet":
            name = self.proplet
        if name in self.armed:
            self.disarm(name)
        if not self.kills_left():
            return
        program = self.fleet.programs[name]
        if program.process.poll() is not None:
            return  # it has just died
        program.kill()
        self.kills[f"{'broker' if name == 'mosquitto' else self.role(name)} at random"] += 1
        self.start_again(name)

    def kills_left(self):
        return self.args.kills - self.kills.total() - len(self.armed)

    def passes(self):
        return min(s.passes for s in [*self.round_sweeps.values(), *self.start_sweeps.values()])

    def finished(self):
        return self.kills.total() >= self.args.kills

    # ---- rounds ----

    def begin(self):
        # Every round starts from version 0, which a channel keeps on its topic.
        self.fleet.core(self.bus, PROPLETS)
        for name in self.fleet.programs:
            self.watch_process(name)
        self.fleet.push(WASM / "sum_client.wasm", "sum")
        answer = self.bus.request("fl/models/control", {
            "do": "point", "model": "global_model", "channel": "stable", "version": 0,
            "who": "torture", "reason": "the base of every round"})
        assert "error" not in answer, answer

    def say_start(self):
        """Also asks for its end: a broker that forgot everything may have had it."""
        self.said = time.monotonic()
        self.bus.publish("fl/rounds/start", self.start)

    def open_round(self):
        self.await_fleet()
        self.round += 1
        self.chain = collections.Counter()
        self.proplet = self.random.choice(PROPLETS)
        self.start = {
            "round_id": f"t-{self.round}", "model_uri": "fl/models/global_model_v0",
            "task_wasm_image": "sum", "participants": PROPLETS,
            "k_of_n": self.args.k or self.random.choice([5, 6, 7]), "timeout_s": TIMEOUT_S,
            "grace_s": self.random.choice([0, 1]),
            "hyperparams": {"spread": self.random.choice([0, 0.02, 0.1])}}
        for name in [*SERVICES, self.proplet]:
            self.arm(name, self.round_sweeps)
        self.began = time.monotonic()
        self.say_start()

    def take_all(self):
        messages = self.bus.messages
        while self.read < len(messages):
            message = messages[self.read]
            messages[self.read] = GONE  # a long run would keep them all
            self.read += 1
            if message.topic == ANSWER:
                self.take_answer(message.json)
            elif message.topic == ROSTER:
                self.roster = message.json["proplets"]
            elif message.payload:
                self.account.take(message)

    def take_answer(self, answer):
        for ended in answer.get("ended", ()):
            if ended["round_id"] == self.start["round_id"]:
                self.account.complete(ended["round_id"], ended)

    def is_over(self):
        """It has its end, and the version that this names was seen.

        A broker that dies may have told the coordinator of a version and nobody else;
        then the model server says it again.
        """
        now = time.monotonic()
        if self.account.is_told(self.start["round_id"]):
            return True
        if now - self.began > HUNG_S:
            self.hung += 1
            self.account.faults.append(f"{self.start['round_id']} has no end")
            return True
        if now - self.said > AGAIN_S:
            self.say_start()
            self.ask("fl/rounds/query", ANSWER)
        return False

    def ask(self, topic, answer):
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = answer
        self.bus.client.publish(topic, '{"what":"status"}', qos=1, properties=properties)

    def await_fleet(self):
        """A proplet that the manager does not see has no part in a round that begins."""
        began = asked = 0
        self.roster = ()
        while not set(PROPLETS) <= {p["proplet_id"] for p in self.roster if p["alive"]}:
            now = time.monotonic()
            began = began or now
            assert now - began < 30, f"the manager does not see all: {self.roster}"
            if now - asked > 0.2:
                asked = now
                self.ask(f"{P}/control/manager/query", ROSTER)
            with self.bus._news:
                self.bus._news.wait_for(lambda: len(self.bus.messages) > self.read, 0.2)
            self.take_all()
            self.bury()

    def dead(self):
        return [n for n, p in self.fleet.programs.items() if p.process.poll() is not None]

    def bury(self):
        """Those who died as late as a round's end; the next ones live until the next."""
        for name in self.dead():
            self.died(name)
            self.disarm(name)

    def await_news(self):
        until = self.said + AGAIN_S
        with self.bus._news:
            self.bus._news.wait_for(
                lambda: len(self.bus.messages) > self.read or self.dead(),
                max(0.01, until - time.monotonic()))

    def play_round(self):
        moments = sorted(self.random.randint(1, 120) for _ in range(self.args.random))
        self.open_round()
        first = self.read
        while not self.is_over():
            self.await_news()
            self.take_all()
            for name in self.dead():
                self.died(name)
            if moments and self.read - first >= moments[0]:
                moments.pop(0)
                self.kill_at_random()
        self.close_round()

    def close_round(self):
        for name, (sweep, strike) in list(self.armed.items()):
            self.disarm(name)
            if self.fleet.programs[name].process.poll() is None:
                sweep.missed(strike)
        self.bury()
        if self.start["round_id"] in self.account.completes:
            self.account.judge(self.start["round_id"])
        took = time.monotonic() - self.began
        self.times.append(took)
        if self.args.verbose:
            facts = self.account.completes.get(self.start["round_id"])
            print(f"torture: {self.start['round_id']} {took:.1f} s {facts}"
                  f" kills={self.kills.total()}", flush=True)

    # ---- all of it ----

    def run(self):
        self.begin()
        said = 0
        while not self.finished() and not self.found():
            self.play_round()
            if self.kills.total() >= said + 50:
                said = self.kills.total()
                print(f"torture: kills={said} rounds={self.round}", flush=True)
        for _ in range(2):  # in peace
            if not self.found():
                self.play_round()
        self.account.judge_store(self.fleet.folder / "models", newest=10000)
        return self.report()

    def found(self):
        return any(self.args.until in fault for fault in self.account.faults)

    def report(self):
        account = self.account
        outcomes = collections.Counter(f["status"] for f in account.completes.values())
        for fault in account.faults[:100]:
            print("torture: fault:", fault)
        print("torture: killed", ", ".join(f"{k}: {n}" for k, n in sorted(self.kills.items())))
        for sweep in [*self.round_sweeps.values(), *self.start_sweeps.values()]:
            reached = " ".join(f"{kind}{'+' if after else ''}={n - 1}"
                               for (kind, after), n in sweep.next.items())
            print(f"torture: sweep {sweep.name}: kills={sweep.kills} passes={sweep.passes} "
                  f"now {reached}")
        print(f"torture: rounds {dict(outcomes)}, {sum(self.times):.0f} s")
        print(f"torture: kills={self.kills.total()} acknowledged={account.acknowledged} "
              f"counted={account.counted} lost={account.lost} double={account.double} "
              f"hung={self.hung}", flush=True)
        return 1 if account.faults or account.lost or account.double or self.hung else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--random", type=int, default=1, help="kills at random in each round")
    parser.add_argument("--only", type=lambda t: t.split(","),
                        help="who dies, with commas: coordinator, manager, model-server, "
                             "proplet, mosquitto")
    parser.add_argument("--plant", action="append", default=[], metavar="PROGRAM=FILE",
                        type=lambda t: t.split("=", 1), help="run FILE in place of PROGRAM")
    parser.add_argument("--k", type=int, help="k_of_n of every round; else 5 to 7 of 8")
    parser.add_argument("--until", default="", metavar="TEXT",
                        help="stop at the first fault that holds this text")
    parser.add_argument("--verbose", action="store_true", help="a line for each round")
    args = parser.parse_args()
    print(f"torture: seed={args.seed} kills={args.kills}", flush=True)
    # A process that is killed leaves what it wrote, on whichever disk.
    memory = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(
        prefix="fml-torture-", dir=memory if os.access(memory, os.W_OK) else None))
    fleet = TortureFleet(folder, dict(args.plant))
    try:
        status = Torture(fleet, args).run()
    except AssertionError as failure:
        print(f"torture: {failure}\n{fleet.logs()}")
        status = 1
    finally:
        fleet.close()
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"torture: logs are in {folder}")
    return status


if __name__ == "__main__":
    sys.exit(main())
