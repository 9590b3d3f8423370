"""The gateway and the emulator under every kind of request, with logs at their loudest: no key in any answer or log."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import json
import socket
import threading
import typing
import urllib.parse

import canary
import harness
import pytest

CHAT = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}).encode()

"""Requests as bytes. `KEY` stands for a caller's key, `BODY` for a chat request with its length."""
REQUESTS = {
    "a right request": b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\r\nBODY",
    "an unknown path": b"POST /openai/v1/KEY HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\r\nBODY",
    "an unknown provider": b"POST /KEY/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\r\nBODY",
    "no provider": b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\r\n\r\n",
    "the unified door": b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\r\nBODY",
    "a key in the query": b"GET /openai/v1/models?key=KEY&api_key=KEY HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a key as user of the host": b"GET http://KEY@localhost/openai/v1/models HTTP/1.1\r\nHost: KEY@localhost\r\n\r\n",
    "a key as host": b"GET /openai/v1/models HTTP/1.1\r\nHost: KEY\r\n\r\n",
    "a key in every header": (
        b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic KEY\r\nx-api-key: KEY\r\napi-key: KEY\r\n"
        b"x-goog-api-key: KEY\r\nCookie: key=KEY\r\nUser-Agent: KEY\r\nX-Request-Id: KEY\r\nTraceparent: KEY\r\n\r\n"
    ),
    "a key as a header's name": b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\nKEY: 1\r\n\r\n",
    "a key as the method": b"KEY /openai/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a key as the version": b"GET /openai/v1/models KEY\r\nHost: localhost\r\n\r\n",
    "a split header block": b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\n\r\nBODY",
    "a key split over lines": b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer\r\n KEY\r\n\r\n",
    "a header bomb": b"GET /openai/v1/models HTTP/1.1\r\nHost: localhost\r\n" + b"X-Key: KEY\r\n" * 3000 + b"\r\n",
    "a body that is not JSON": b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\nKEY" + b" " * 200,
    "a model of a provider that is a key": b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMODEL",
    "a key as sub-protocol": (
        b"GET /openai/v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.KEY\r\n\r\n"
    ),
    "no HTTP at all": b"KEY\r\n\r\n",
}


class Aviary:
    """A gateway at its loudest, and the keys that must not show: those it holds and one of a caller."""

    def __init__(self, gateway: harness.Gateway, held: list[canary.Canary]) -> None:
        self.gateway, self.held = gateway, held
        self.caller = canary.Canary("openai", harness.new_key("openai"))

    def check(self, where: str, data: bytes | str) -> None:
        for known in [*self.held, self.caller]:
            known.must_not_show(where, data)

    def send(self, data: bytes) -> bytes:
        """Sends bytes and reads all that comes. Half-closing before the answer would look like a caller who has gone."""
        key = self.caller.key.encode()
        chat = json.dumps({"model": f"{self.caller.key}/gpt", "messages": []}).encode()
        data = data.replace(b"BODY", b"Content-Type: application/json\r\n" + with_length(CHAT))
        data = data.replace(b"MODEL", with_length(chat)).replace(b"KEY", key)
        address = urllib.parse.urlsplit(self.gateway.url)
        answer = b""
        with socket.create_connection((address.hostname, address.port), timeout=harness.DEADLINE_SECONDS) as connection:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.sendall(data)
                response = http.client.HTTPResponse(connection, method="POST")
                response.begin()
                answer = f"{response.status} {response.reason} {response.headers}".encode() + response.read()
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
        return answer

    def check_what_is_left(self) -> None:
        """Metrics, health, command lines; then, with the gateway stopped, logs and files."""
        assert self.gateway.admin_url
        for path in ("/metrics", "/healthz", "/readyz"):
            answer = harness.request(self.gateway.admin_url, "GET", path)
            self.check(path, repr(answer.headers).encode() + answer.body)
        for known in self.held:
            known.must_not_show_in_processes(self.gateway.process.pid)
        self.gateway.process.terminate()
        self.gateway.process.wait(harness.DEADLINE_SECONDS)
        for known in [*self.held, self.caller]:
            known.must_not_show_in_files(self.gateway.folder, {"keywright.toml", ".env"})
        self.gateway.stop()
        for name, lines in self.gateway.printed.items():
            self.check(name, "".join(lines))


def with_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


@contextlib.contextmanager
def aviary(upstream: str, keys: list[str], tokens: list[str]) -> typing.Iterator[Aviary]:
    environment = {f"KEY_{number}": key for number, key in enumerate(keys)} | {"KEYWRIGHT_LOG": "trace", "RUST_BACKTRACE": "1"}
    references = [f"env://KEY_{number}" for number in range(len(keys))]
    text = harness.configuration(upstream, {"openai": references}, tokens=tokens, extra='admin = "127.0.0.1:0"')
    with harness.Gateway(text, environment, options=["-vv", "--log-format", "json"]) as gateway:
        yield Aviary(gateway, [canary.Canary("openai", key) for key in keys])


@pytest.mark.parametrize("caller", ["anyone", "a stranger", "a known app"])
def test_no_answer_and_no_log_shows_a_key(emulator, caller):
    keys, token = [emulator.key("openai"), emulator.key("openai")], harness.new_token()
    with aviary(emulator.url, keys, [] if caller == "anyone" else [token]) as birds:
        for name, data in REQUESTS.items():
            if caller == "a known app":
                data = data.replace(b"Authorization: Bearer KEY", b"X-Key: KEY")
                data = data.replace(b"\r\n", b"\r\nAuthorization: Bearer " + token.encode() + b"\r\n", 1)
            answer = birds.send(data)
            birds.check(f"the answer to {name}", answer)
            assert token.encode() not in answer, name
        birds.check_what_is_left()


@pytest.mark.parametrize("state", ["revoked", "deactivated", "out_of_credit", "rate_limited", "server_error", "flaky", "cut_stream"])
def test_no_failure_of_a_key_shows_it(emulator, state):
    keys = [emulator.key("openai"), emulator.key("openai")]
    with aviary(emulator.url, keys, []) as birds:
        for key in keys:
            emulator.set("openai", key, state)
            for name in ("a right request", "the unified door"):
                birds.check(f"the answer to {name}", birds.send(REQUESTS[name]))
        birds.check_what_is_left()


# ── A provider that gives keys back ──────────────────────────────────────────────────────────────────────────────


class Parrot(http.server.BaseHTTPRequestHandler):
    """Answers with the key it was called with, in the status and the form that the path asks for."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        key = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        words = urllib.parse.unquote(self.path).split("/")
        status, form, manner = words[-3:] if len(words) > 4 else ("401", "as it is", "whole")
        self.repeat(int(status), canary.echoes(key)[form], manner, key)

    def repeat(self, status: int, body: bytes, manner: str, key: str) -> None:
        if manner == "gzip":
            body = gzip.compress(body)
        self.send_response(status, f"No {key}" if manner == "reason" else None)
        for name in ("x-echo", "www-authenticate", "set-cookie"):
            self.send_header(name, f'Bearer error="{key}"')
        if manner == "gzip":
            self.send_header("content-encoding", "gzip")
        if manner == "events":
            self.send_header("content-type", "text/event-stream")
            body = b"data: " + body + b"\n\ndata: [DONE]\n\n"
        else:
            self.send_header("content-type", "application/json")
        if manner == "dribble":
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for byte in body:
                self.wfile.write(b"1\r\n" + bytes([byte]) + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def parrot() -> typing.Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("manner", ["whole", "dribble", "gzip", "events", "reason"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_a_key_that_a_provider_gives_back_goes_no_further(parrot, status, manner):
    with aviary(parrot, [harness.new_key("openai")], []) as birds:
        for form in canary.echoes("key"):
            path = urllib.parse.quote(f"/openai/v1/echo/{status}/{form}/{manner}")
            answer = harness.request(birds.gateway.url, "POST", path, headers={"accept-encoding": "gzip"}, body=CHAT)
            body = gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
            birds.check(f"the headers of a {status}, {form}", repr(answer.headers))
            birds.check(f"the body of a {status}, {form}", body)
        birds.check_what_is_left()


def test_no_reload_shows_a_key(emulator):
    """A good value, a refused one, half of one, none, and a key where the configuration wants something else."""
    first, refused, second = emulator.key("openai"), harness.new_key("openai"), emulator.key("openai")
    text = harness.configuration(emulator.url, {"openai": ["dotenv://.env#KEY"]}, extra='admin = "127.0.0.1:0"')
    files = {".env": f"KEY={first}\n"}
    with harness.Gateway(text, {"KEYWRIGHT_LOG": "trace"}, files, ["-vv", "--log-format", "json"]) as gateway:
        birds = Aviary(gateway, [canary.Canary("openai", key) for key in (first, refused, second)])
        said = iter(range(1, 100))

        def reload(says: str) -> None:
            seen = gateway.output().count(says)
            gateway.reload()
            harness.eventually(lambda: gateway.output().count(says) > seen, f"{says}, {next(said)}")
            birds.check("the answer after a reload", birds.send(REQUESTS["a right request"]))

        for line in (refused, second, f"{first}\x01", f'"{first}', ""):
            (gateway.folder / ".env").write_text(f"KEY={line}\n")
            reload("was read again")
        (gateway.folder / "keywright.toml").write_text(text.replace("dotenv://.env#KEY", second).replace("127.0.0.1:0", second))
        reload("as it was before")
        birds.check_what_is_left()


def test_the_emulator_shows_no_key(emulator):
    """Not in its call counts, not in its errors, not in its logs."""
    known = canary.Canary("openai", emulator.key("openai"))
    for path in ("/openai/v1/models", f"/openai/v1/models?key={known.key}", f"/nosuch/{known.key}", f"/_control/nosuch/{known.key}"):
        answer = harness.request(emulator.url, "GET", path, headers={"authorization": f"Bearer {known.key}"})
        if not path.startswith("/openai"):
            known.must_not_show(path, answer.body)
    for path in ("/_control/calls", f"/_control/keys/openai/{known.key}", f"/_control/calls/openai/{known.key}"):
        known.must_not_show(path, harness.request(emulator.url, "GET", path).body)
    known.must_not_show("the emulator's output", emulator.output())
    known.must_not_show_in_processes(emulator.process.pid)
