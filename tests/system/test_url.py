"""Large versions by HTTP: whoever may fetches them from a web server, with the same checks, and
from the model server through the broker where that does not work."""

import http.server
import re
import ssl
import subprocess
import threading

import pytest

from safetensors.numpy import save

from fleet import BIN, WASM
from test_large import NAMES, PARTS, check_end, initial_model, parts_asked, start

CLIENTS = [*NAMES, "fml-coordinator"]


class Web:
    """Serves files named by their digests. What is asked is recorded, and `answer` may do
    something else with it."""

    def __init__(self, folder, certificate=None):
        self.folder, self.asked, self.news = folder, [], threading.Condition()
        self.gate, self.answer = threading.Event(), "right"
        self.gate.set()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                web.serve(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that was killed
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/models"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, request):
        with self.news:
            self.asked.append((request.path, request.headers.get("Range")))
            self.news.notify_all()
        self.gate.wait()
        path = self.folder / request.path.rsplit("/", 1)[1]
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range") or "")
        if self.answer == "missing" or not path.is_file() or found is None:
            request.send_response(404)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        first, last, size = int(found[1]), int(found[2]), path.stat().st_size
        with open(path, "rb") as file:
            file.seek(first)
            body = bytearray(file.read(last - first + 1))
        if self.answer == "flipped":
            body[len(body) // 2] ^= 1
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def wait(self, count, limit_s=60):
        with self.news:
            assert self.news.wait_for(lambda: len(self.asked) >= count, limit_s), self.asked

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def bus(fleet):
    return fleet.bus(filters=("fl/rounds/#", "fl/models/#", "fl/parts/get/#",
                              "m/demo/c/fl/control/#", "test/#"))


@pytest.fixture
def web(fleet):
    web = Web(fleet.folder / "models" / "sha256")
    yield web
    web.close()


def begin(fleet, bus, url, *options):
    initial = fleet.folder / "initial.safetensors"
    initial.write_bytes(save(initial_model()))
    fleet.manager()
    bus.request("m/demo/c/fl/control/manager/query", {"what": "status"})
    fleet.coordinator(*options)
    fleet.model_server("--initial", initial, "--url-base", url)
    for name in NAMES:
        fleet.proplet(name, None, "--memory-mb", "2048", *options)
    fleet.await_alive(bus, *NAMES)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "sum_client.wasm", "sum")


def asked_of_model_server(bus):
    return sum(len(parts_asked(bus, "fml-model-server", name)) for name in CLIENTS)


def certificate(fleet):
    """One that is its own authority; key and certificate in one file."""
    pem = fleet.folder / "web.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=web",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out",
                    fleet.folder / "ca.pem"], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + (fleet.folder / "ca.pem").read_bytes())
    return pem


def test_a_version_comes_by_https_and_no_part_of_it_through_the_broker(fleet, bus):
    web = Web(fleet.folder / "models" / "sha256", certificate(fleet))
    try:
        begin(fleet, bus, web.url, "--url-allow", web.url, "--url-ca", fleet.folder / "ca.pem")
        start(bus)
        check_end(fleet, bus)
    finally:
        web.close()
    reference = bus.wait("fl/models/global_model_v0").json["manifest"]
    assert reference["url"] == f"{web.url}/{reference['digest'].removeprefix('sha256:')}"
    assert asked_of_model_server(bus) == 0
    ranges = [r for path, r in web.asked if path.endswith(reference["url"].rsplit("/", 1)[1])]
    assert len(ranges) == len(CLIENTS) * PARTS
    assert len(set(ranges)) == PARTS


def test_who_does_not_know_the_authority_comes_to_the_model_server(fleet, bus):
    web = Web(fleet.folder / "models" / "sha256", certificate(fleet))
    try:
        begin(fleet, bus, web.url, "--url-allow", web.url)
        start(bus)
        check_end(fleet, bus)
    finally:
        web.close()
    assert web.asked == []
    for name in CLIENTS:
        assert sorted(parts_asked(bus, "fml-model-server", name)) == list(range(PARTS))
    for name in (*NAMES, "coordinator"):
        assert fleet.programs[name].text().count(" url.left ") == 1


def test_a_device_that_is_killed_asks_for_what_is_missing(fleet, bus, web):
    begin(fleet, bus, web.url, "--url-allow", web.url)
    bus.publish("fl/rounds/start", {
        "round_id": "r-1", "model_uri": "fl/models/global_model_v0", "task_wasm_image": "sum",
        "participants": NAMES[:1], "timeout_s": 120, "hyperparams": {"file": 1}})
    web.wait(PARTS)  # of the device and of the coordinator
    fleet.programs["proplet-1"].kill()
    fleet.programs["proplet-1"].start()
    done = bus.wait("fl/rounds/r-1/complete", limit_s=120).json
    assert (done["status"], done["num_updates"]) == ("completed", 1), done
    assert asked_of_model_server(bus) == 0
    assert len(web.asked) <= 2 * PARTS + 4  # those that were under way at the kill


@pytest.mark.parametrize("answer,reason", [("flipped", "other bytes"), ("missing", "404")])
def test_what_is_wrong_is_named_and_comes_from_the_model_server(fleet, bus, web, answer, reason):
    begin(fleet, bus, web.url, "--url-allow", web.url)
    web.answer = answer
    start(bus)
    check_end(fleet, bus)
    for name in (*NAMES, "coordinator"):
        left = [line for line in fleet.programs[name].text().splitlines() if " url.left " in line]
        assert len(left) == 1 and reason in left[0], left
    for name in CLIENTS:
        assert sorted(parts_asked(bus, "fml-model-server", name)) == list(range(PARTS))


def test_a_web_server_that_dies_in_the_middle_costs_time_only(fleet, bus, web):
    begin(fleet, bus, web.url, "--url-allow", web.url)
    start(bus)
    web.wait(PARTS)
    web.answer = "missing"
    check_end(fleet, bus)
    for name in CLIENTS:
        asked = parts_asked(bus, "fml-model-server", name)
        assert len(asked) == len(set(asked)) < PARTS, asked


def test_nothing_is_fetched_that_is_not_allowed(fleet, bus, web):
    begin(fleet, bus, web.url, "--url-allow", f"{web.url}/below https://127.0.0.1/models")
    start(bus)
    check_end(fleet, bus)
    assert web.asked == []
    assert asked_of_model_server(bus) == len(CLIENTS) * PARTS


def test_a_setting_that_is_none_stops_the_start(fleet):
    for program, option in (("fml-proplet", "--url-allow"), ("fml-coordinator", "--url-allow"),
                            ("fml-model-server", "--url-base")):
        argv = [BIN / program, "--broker", fleet.broker, "--state-dir",
                fleet.folder / "state", option, "ftp://host/"]
        if program == "fml-proplet":
            argv += ["--id", "p"]
        if program == "fml-model-server":
            argv[3:5] = ["--models-dir", fleet.folder / "state"]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and "http" in done.stderr, (program, done.stderr)
