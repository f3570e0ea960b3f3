"""Images and large versions by HTTP: whoever may fetches them from a web server, with the same checks, and
from their holders through the broker where that does not work."""

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
    """Serves files of versions and images, named by their digests. What is asked is recorded, and `answer` may do
    something else with it."""

    def __init__(self, fleet, certificate=None):
        self.folders = fleet.folder / "models" / "sha256", fleet.folder / "manager" / "blobs"
        self.asked, self.news = [], threading.Condition()
        self.answer = "right"
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
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/files"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, request):
        digest = request.path.rsplit("/", 1)[1]
        version, image = (folder / digest for folder in self.folders)
        path = version if version.is_file() else image
        with self.news:
            self.asked.append((path == version, request.headers.get("Range")))
            self.news.notify_all()
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

    def versions(self):
        """The ranges of versions that were asked for."""
        return [asked for is_version, asked in self.asked if is_version]

    def images(self):
        return [asked for is_version, asked in self.asked if not is_version]

    def wait(self, count, limit_s=60):
        with self.news:
            assert self.news.wait_for(lambda: len(self.versions()) >= count, limit_s), self.asked

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def bus(fleet):
    return fleet.bus(filters=("fl/rounds/#", "fl/models/#", "fl/parts/get/#",
                              "m/demo/c/fl/control/#", "m/demo/c/fl/registry/get/#", "test/#"))


@pytest.fixture
def web(fleet):
    web = Web(fleet)
    yield web
    web.close()


def begin(fleet, bus, url, *options):
    initial = fleet.folder / "initial.safetensors"
    initial.write_bytes(save(initial_model()))
    fleet.manager("--url-base", url)
    bus.request("m/demo/c/fl/control/manager/query", {"what": "status"})
    fleet.coordinator(*options)
    fleet.model_server("--initial", initial, "--url-base", url)
    for name in NAMES:
        fleet.proplet(name, None, "--memory-mb", "2048", *options)
    fleet.await_alive(bus, *NAMES)
    bus.wait("fl/models/index")
    fleet.await_coordinator(bus)
    fleet.push(WASM / "sum_client.wasm", "sum")


def image_parts_asked(bus, name):
    asked = (m.json for m in bus.find("m/demo/c/fl/registry/get/manager"))
    return [get["part"] for get in asked if get["client_id"] == name and "part" in get]


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
    web = Web(fleet, certificate(fleet))
    try:
        begin(fleet, bus, web.url, "--url-allow", web.url, "--url-ca", fleet.folder / "ca.pem")
        start(bus)
        check_end(fleet, bus)
    finally:
        web.close()
    reference = bus.wait("fl/models/global_model_v0").json["manifest"]
    assert reference["url"] == f"{web.url}/{reference['digest'].removeprefix('sha256:')}"
    assert asked_of_model_server(bus) == 0
    assert len(web.versions()) == len(CLIENTS) * PARTS
    assert len(set(web.versions())) == PARTS
    parts = -(-(WASM / "sum_client.wasm").stat().st_size // (1 << 18))
    assert len(web.images()) == len(NAMES) * parts
    assert [image_parts_asked(bus, name) for name in NAMES] == [[], []]


def test_who_does_not_know_the_authority_comes_to_the_model_server(fleet, bus):
    web = Web(fleet, certificate(fleet))
    try:
        begin(fleet, bus, web.url, "--url-allow", web.url)
        start(bus)
        check_end(fleet, bus)
    finally:
        web.close()
    assert web.asked == []
    for name in CLIENTS:
        assert sorted(parts_asked(bus, "fml-model-server", name)) == list(range(PARTS))
    for name, blobs in (*((name, 2) for name in NAMES), ("coordinator", 1)):
        assert fleet.programs[name].text().count(" url.left ") == blobs
        assert blobs == 1 or image_parts_asked(bus, name)


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
    assert len(web.versions()) <= 2 * PARTS + 4  # those that were under way at the kill


@pytest.mark.parametrize("answer,reason", [("flipped", "other bytes"), ("missing", "404")])
def test_what_is_wrong_is_named_and_comes_from_the_model_server(fleet, bus, web, answer, reason):
    begin(fleet, bus, web.url, "--url-allow", web.url)
    web.answer = answer
    start(bus)
    check_end(fleet, bus)
    for name, blobs in (*((name, 2) for name in NAMES), ("coordinator", 1)):
        left = [line for line in fleet.programs[name].text().splitlines() if " url.left " in line]
        assert len(left) == blobs and all(reason in line for line in left), left
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
        assert len(asked) == len(set(asked)), asked
    # Those that had come by HTTP are not asked for again; each has four under way.
    assert asked_of_model_server(bus) <= 2 * PARTS + 4 * len(CLIENTS)


def test_nothing_is_fetched_that_is_not_allowed(fleet, bus, web):
    begin(fleet, bus, web.url, "--url-allow", f"{web.url}/below https://127.0.0.1/files")
    start(bus)
    check_end(fleet, bus)
    assert web.asked == []
    assert asked_of_model_server(bus) == len(CLIENTS) * PARTS


def test_a_setting_that_is_none_stops_the_start(fleet):
    for program, option in (("fml-proplet", "--url-allow"), ("fml-coordinator", "--url-allow"),
                            ("fml-manager", "--url-base"),
                            ("fml-model-server", "--url-base")):
        argv = [BIN / program, "--broker", fleet.broker, "--state-dir",
                fleet.folder / "state", option, "ftp://host/"]
        if program == "fml-proplet":
            argv += ["--id", "p"]
        if program == "fml-model-server":
            argv[3:5] = ["--models-dir", fleet.folder / "state"]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and "http" in done.stderr, (program, done.stderr)
