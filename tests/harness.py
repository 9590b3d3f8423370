"""Starts the emulator and the gateway as a user does, and stops them.

Everything that the tests know about command lines, configuration and printed addresses stands here and nowhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import queue
import secrets
import signal
import string
import subprocess
import tempfile
import threading
import time
import typing
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent

PROVIDERS = ("openai", "fireworks", "together")

"""How long anything may take that is expected to happen. Nothing waits this long when all is well."""
DEADLINE_SECONDS = 30.0


def keywright() -> pathlib.Path:
    """The program under test."""
    return pathlib.Path(os.environ.get("KEYWRIGHT", ROOT / "target/debug/keywright"))


def eventually(condition: typing.Callable[[], object], what: str) -> object:
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {DEADLINE_SECONDS:.0f} s: {what}")
        threading.Event().wait(0.02)


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def new_key(provider: str) -> str:
    """A key of the provider's shape that no other test has."""
    body = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(148))
    match provider:
        case "openai":
            return f"sk-proj-{body[:74]}T3BlbkFJ{body[74:]}"
        case "fireworks":
            return f"fw_{body[:24]}"
        case "together":
            return f"tgp_v1_{body[:43]}"
    raise ValueError(provider)


def new_token() -> str:
    """A virtual key, made as `keywright` makes one."""
    payload = "sk-kwt-" + base32(secrets.token_bytes(25))
    return payload + base32(hashlib.sha256(payload.encode()).digest()[:5])[:6]


def base32(data: bytes) -> str:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    number = int.from_bytes(data)
    return "".join(alphabet[(number >> place) & 31] for place in reversed(range(0, len(data) * 8, 5)))


def masked_tail(key: str) -> str:
    """What a masked key always shows."""
    return key[-4:]


# ── Programs ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Program:
    """A `keywright` command that runs until it is stopped, and everything it printed."""

    def __init__(self, arguments: list[str], environment: dict[str, str] | None = None, folder: str | None = None) -> None:
        self.process = subprocess.Popen(
            [str(keywright()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=surroundings(folder or "/nonexistent") | (environment or {}),
            cwd=folder,
        )
        self.printed: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            for name, pipe in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, pipe: typing.IO[bytes]) -> None:
        for line in pipe:
            text = line.decode(errors="replace")
            self.printed[name].append(text)
            self._lines.put(text)
        self._lines.put(None)

    def announcement(self) -> dict[str, typing.Any]:
        """Waits for the line that says where the program listens."""
        ended = 0
        while ended < len(self._readers):
            try:
                line = self._lines.get(timeout=DEADLINE_SECONDS)
            except queue.Empty:
                break
            if line is None:
                ended += 1
            elif line.startswith("{") and "listen" in (event := json.loads(line)):
                return event
        self.process.kill()
        raise AssertionError(f"no address was printed\n{self.output()}")

    def output(self) -> str:
        return "".join(self.printed["stdout"] + self.printed["stderr"])

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """Asks the program to end, and waits until it has."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"did not end when asked to\n{self.output()}") from None
        for reader in self._readers:
            reader.join(DEADLINE_SECONDS)
        return code

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def surroundings(home: str) -> dict[str, str]:
    """Only what a program needs to run: the developer's own keys, settings and keyring must not be found."""
    return {"PATH": os.environ["PATH"], "HOME": home, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}


def url_of(address: str) -> str:
    return address if address.startswith("http") else f"http://{address}"


class Emulator(Program):
    """All three providers on this machine."""

    def __init__(self) -> None:
        super().__init__(["emulate", "--listen", "127.0.0.1:0", "--json"])
        self.url = url_of(self.announcement()["listen"])

    def key(self, provider: str, state: str = "valid", **options: object) -> str:
        """Makes a new key that the provider knows."""
        key = new_key(provider)
        self.set(provider, key, state, **options)
        return key

    def set(self, provider: str, key: str, state: str, **options: object) -> None:
        self.control("PUT", f"/keys/{provider}/{urllib.parse.quote(key, safe='')}", {"state": state, **options})

    def calls(self, provider: str, key: str) -> dict[int, int]:
        """How often a key was used, by status."""
        answer = self.control("GET", f"/calls/{provider}/{urllib.parse.quote(key, safe='')}")
        counts: dict[int, int] = {}
        for row in answer["calls"]:
            counts[row["status"]] = counts.get(row["status"], 0) + row["calls"]
        return counts

    def settings(self, **change: object) -> None:
        self.control("PUT", "/settings", change)

    def control(self, method: str, path: str, body: object = None) -> typing.Any:
        answer = request(self.url, method, "/_control" + path, body=None if body is None else json.dumps(body).encode())
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.text}"
        return json.loads(answer.body)


class Gateway(Program):
    """`keywright serve` with a configuration of its own."""

    def __init__(
        self,
        configuration: str,
        environment: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        options: typing.Sequence[str] = (),
        *,
        with_helpers: bool = False,
        folder: pathlib.Path | None = None,
    ) -> None:
        """A folder that is given stays when the gateway stops: the next one finds what this one remembered."""
        self._folder = None if folder else tempfile.TemporaryDirectory(prefix="keywright-test-")
        self.folder = folder or pathlib.Path(self._folder.name)
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        (self.folder / "keywright.toml").write_text(configuration)
        if with_helpers:
            allow(self.folder / "keywright.toml", str(self.folder), environment)
        super().__init__(["serve", "--config", "keywright.toml", "--json", *options], environment, str(self.folder))
        event = self.announcement()
        self.url = url_of(event["listen"])
        self.admin_url = url_of(event["admin"]) if event.get("admin") else None

    def stop(self) -> int:
        try:
            return super().stop()
        finally:
            if self._folder:
                self._folder.cleanup()


def allow(file: pathlib.Path, home: str, environment: dict[str, str] | None = None) -> None:
    """Lets a configuration run its helpers."""
    subprocess.run(
        [keywright(), "config", "allow", file],
        env=surroundings(home) | (environment or {}),
        check=True,
        capture_output=True,
        timeout=DEADLINE_SECONDS,
    )


def configuration(
    upstream: str,
    keys: dict[str, list[str]],
    *,
    tokens: typing.Iterable[str] = (),
    extra: str = "",
) -> str:
    """A configuration file: references to the keys of each provider, whose host is the emulator."""
    lines = ["[gateway]", 'listen = "127.0.0.1:0"', extra]
    for provider, references in keys.items():
        lines += ["[[provider]]", f'id = "{provider}"', f'base_url = "{upstream}/{provider}"', f"keys = {json.dumps(references)}"]
    for number, token in enumerate(tokens):
        digest = hashlib.sha256(token.encode()).hexdigest()
        lines += ["[[virtual_key]]", f'name = "app-{number}"', f'sha256 = "{digest}"']
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def gateway(emulator: Emulator, keys: dict[str, list[str]], **options: typing.Any) -> typing.Iterator[Gateway]:
    """A gateway whose keys come from its environment."""
    environment: dict[str, str] = {}
    references: dict[str, list[str]] = {}
    for provider, values in keys.items():
        for number, value in enumerate(values):
            name = f"{provider.upper()}_KEY_{number}"
            environment[name] = value
            references.setdefault(provider, []).append(f"env://{name}")
    with Gateway(configuration(emulator.url, references, **options), environment) as running:
        yield running


# ── Requests without an SDK ──────────────────────────────────────────────────────────────────────────────────────


class Answer(typing.NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def request(url: str, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    """One request on a connection of its own."""
    host = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=DEADLINE_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
