"""Starts and stops the real programs in a folder of their own."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from bus import Bus

BUILD = pathlib.Path(os.environ["FML_BUILD"])
BIN = BUILD / "bin"
WASM = BUILD / "wasm"
ROOT = pathlib.Path(__file__).resolve().parents[2]
P = "m/demo/c/fl"
MISSION_START = {
    "round_id": "r-0001",
    "model_uri": "fl/models/global_model_v0",
    "task_wasm_image": "oci://example/fl-client-wasm:latest",
    "participants": ["proplet-1", "proplet-2", "proplet-3"],
    "hyperparams": {"epochs": 1, "lr": 0.01, "batch_size": 16},
    "k_of_n": 3,
    "timeout_s": 30,
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """One process; its standard error goes to a file that failures show."""

    def __init__(self, folder, name, argv, env=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log = folder / f"{name}.log"
        self.env = {**os.environ, **(env or {})}
        self.folder = folder
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=self.env, cwd=self.folder, start_new_session=True,
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, limit_s=10):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {limit_s} s of SIGTERM")

    def text(self):
        return self.log.read_text(errors="replace")

    def await_text(self, text, count=1, limit_s=60):
        """Until it has logged this so often; for what no message tells."""
        until = time.monotonic() + limit_s
        while self.text().count(text) < count:
            assert time.monotonic() < until, f"{self.name}: {text!r} is not logged {count} times"
            os.sched_yield()


class Fleet:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.programs = {}
        self.buses = []
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            "set_tcp_nodelay true\nmax_queued_messages 10000\n"
        )
        mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.add("mosquitto", [mosquitto, "-c", config])
        self._await_port()

    def _await_port(self):
        # A connect that is refused says at once that nobody listens yet.
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < until, "mosquitto does not listen"
                os.sched_yield()

    @property
    def broker(self):
        return f"tcp://127.0.0.1:{self.port}"

    def add(self, name, argv, env=None):
        self.programs[name] = Program(self.folder, name, argv, env)
        return self.programs[name]

    def bus(self, **options):
        self.buses.append(Bus(self.port, **options))
        return self.buses[-1]

    def manager(self, *options):
        return self.add("manager", [
            BIN / "fml-manager", "--broker", self.broker,
            "--state-dir", self.folder / "manager", "--log-level", "debug", *options])

    def coordinator(self, *options):
        return self.add("coordinator", [
            BIN / "fml-coordinator", "--broker", self.broker,
            "--state-dir", self.folder / "coordinator", "--log-level", "debug", *options],
            {"MODELS_DIR": str(self.folder / "aggregated")})

    def model_server(self, *options):
        return self.add("model-server", [
            BIN / "fml-model-server", "--broker", self.broker, *options],
            {"MODELS_DIR": str(self.folder / "models")})

    def proplet(self, name, data=None, *options):
        argv = [BIN / "fml-proplet", "--broker", self.broker, "--id", name,
                "--state-dir", self.folder / name, "--log-level", "debug", *options]
        if data is not None:
            argv += ["--data-dir", data]
        return self.add(name, argv)

    def core(self, bus, proplets=("proplet-1", "proplet-2", "proplet-3"), retain=64):
        """Manager, coordinator, model server and proplets, all known to each other."""
        self.manager()
        self.coordinator()
        self.model_server("--retain", retain)
        for name in proplets:
            self.proplet(name)
        self.await_alive(bus, *proplets)
        bus.wait("fl/models/index")
        self.await_coordinator(bus)

    def await_alive(self, bus, *names):
        """Until the manager answers that it knows each of them as alive."""
        for name in names:
            bus.wait(f"{P}/control/proplet/alive",
                     lambda m: m.json["proplet_id"] == name and m.json["status"] == "alive")
        until = time.monotonic() + 60
        while True:
            status = bus.request(f"{P}/control/manager/query", {"what": "status"})
            alive = {p["proplet_id"] for p in status["proplets"] if p["alive"]}
            if set(names) <= alive:
                return
            assert time.monotonic() < until, f"alive: {alive}, expected {names}"

    def await_coordinator(self, bus):
        bus.request("fl/rounds/query", {"what": "status"})

    def tool(self, *args, check=True, limit_s=120, **options):
        done = subprocess.run(
            [BIN / "fml", *map(str, args)], capture_output=True, text=True, timeout=limit_s,
            env={**os.environ, "MQTT_BROKER": self.broker}, cwd=self.folder, **options)
        if check:
            assert done.returncode == 0, f"fml {args}: {done.stdout}\n{done.stderr}"
        return done

    def push(self, wasm, name):
        return self.tool("images", "push", wasm, "--name", name)

    def round(self, bus, start, limit_s=60):
        """Publishes a start and gives the round's complete."""
        mark = bus.mark()
        bus.publish("fl/rounds/start", start)
        return bus.wait(f"fl/rounds/{start['round_id']}/complete", limit_s=limit_s,
                        after=mark).json

    def close(self):
        for bus in self.buses:
            bus.close()
        for program in reversed(list(self.programs.values())):
            if program.process.poll() is None:
                program.kill()

    def logs(self):
        return "\n".join(
            f"---- {p.name} (exit {p.process.poll()})\n{p.text()[-4000:]}"
            for p in self.programs.values())


def results_of(bus, task_id, limit_s=60):
    return bus.wait(f"{P}/control/proplet/results",
                    lambda m: m.json["task_id"] == task_id, limit_s=limit_s).json


def await_path(path, limit_s=60):
    """Until a file or folder is there: what no message tells."""
    until = time.monotonic() + limit_s
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        os.sched_yield()


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path
