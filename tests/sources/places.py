"""Real places that hold a key: each can be given one, and says how Keywright is told of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import typing
import urllib.error
import urllib.request

import harness

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Place:
    """One place for one key."""

    reference: str
    """Variables that lead to it."""
    environment: Mapping[str, str]
    """What it adds to the configuration, which the user then allows."""
    configuration: str = ""

    def put(self, key: str) -> None:
        raise NotImplementedError


class File(Place):
    """A file that is replaced as a whole, as careful programs do it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.path = folder / "openai"
        self.reference = f"file://{self.path}"
        self.environment = {}

    def put(self, key: str) -> None:
        self.write(key.encode() + b"\n")

    def write(self, content: bytes) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.chmod(0o600)
        fresh.replace(self.path)


class KubernetesFile(File):
    """A mounted secret: Kubernetes swaps a link to a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.path = folder / "mounted" / "openai"
        self.reference = f"file://{self.path}"
        self.version = 0
        (folder / "mounted").mkdir()
        (folder / "mounted" / "openai").symlink_to("..data/openai")

    def put(self, key: str) -> None:
        self.version += 1
        data = self.folder / "mounted" / f"..{self.version}"
        data.mkdir()
        (data / "openai").write_text(key)
        fresh = self.folder / "mounted" / "..data_tmp"
        fresh.symlink_to(data.name)
        fresh.replace(self.folder / "mounted" / "..data")


class Dotenv(File):
    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.path = folder / ".env"
        self.reference = f"dotenv://{self.path}#OPENAI_API_KEY"

    def put(self, key: str) -> None:
        self.write(f"# the team's key\nOPENAI_API_KEY={key}\n".encode())


class Systemd(File):
    """What systemd leaves in the folder that it names to a service."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.reference = "systemd://openai"
        self.environment = {"CREDENTIALS_DIRECTORY": str(folder)}


class Age(File):
    """A file that the `age` command encrypts."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.path = folder / "keys.age"
        self.reference = f"age://{self.path}#openai"
        self.identity = folder / "identity.txt"
        self.environment = {"KEYWRIGHT_AGE_IDENTITY": str(self.identity)}
        self.recipient = self.make_identity()

    def make_identity(self) -> list[str]:
        subprocess.run(["age-keygen", "-o", str(self.identity)], check=True, capture_output=True)
        public = subprocess.run(["age-keygen", "-y", str(self.identity)], check=True, capture_output=True, text=True)
        return ["-r", public.stdout.strip()]

    def content(self, key: str) -> bytes:
        return json.dumps({"openai": key}).encode()

    def put(self, key: str) -> None:
        command = ["age", "--encrypt", "--armor", *self.recipient]
        encrypted = subprocess.run(command, input=self.content(key), check=True, capture_output=True)
        self.write(encrypted.stdout)


class AgeForSsh(Age):
    """For an SSH key, with lines instead of JSON inside."""

    def make_identity(self) -> list[str]:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.identity)]
        subprocess.run(command, check=True, capture_output=True)
        return ["-R", f"{self.identity}.pub"]

    def content(self, key: str) -> bytes:
        return f"# keys\nopenai={key}\n".encode()


class Keyring(Place):
    """gnome-keyring on a bus of its own, filled by `secret-tool`."""

    def __init__(self, folder: pathlib.Path, stack: contextlib.ExitStack) -> None:
        for name in ("data", "run"):
            (folder / name).mkdir(mode=0o700)
        self.environment = {"XDG_DATA_HOME": str(folder / "data"), "XDG_RUNTIME_DIR": str(folder / "run")}
        bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | self.environment,
            text=True,
        )
        stack.callback(end, bus)
        assert bus.stdout
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        daemon = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | self.environment,
        )
        stack.callback(end, daemon)
        assert daemon.stdin
        daemon.stdin.write(b"pass")
        daemon.stdin.close()
        self.reference = "keyring://openai/default"

    def put(self, key: str) -> None:
        command = ["secret-tool", "store", "--label=Keywright", "service", "openai", "username", "default"]
        stored = lambda: subprocess.run(command, input=key, text=True, env=os.environ | self.environment, capture_output=True).returncode == 0  # noqa: E731
        harness.eventually(stored, "the keyring takes a key")


class Vault(Place):
    """A key-value secret in OpenBao, which speaks Vault's API."""

    ROOT_TOKEN = "root-token-of-this-test"

    def __init__(self, server: str, mount: str, name: str, environment: Mapping[str, str]) -> None:
        self.server, self.mount, self.name = server, mount, name
        self.reference = f"vault://{mount}/{name}#openai"
        self.environment = {"VAULT_ADDR": server, **environment}

    def put(self, key: str) -> None:
        if self.mount == "secret":
            vault(self.server, "POST", f"secret/data/{self.name}", {"data": {"openai": key, "note": "not a key"}})
        else:
            vault(self.server, "POST", f"{self.mount}/{self.name}", {"openai": key})


class OnePassword(File):
    """A stand-in for 1Password's command: there is no 1Password without an account. It answers as `op read` does."""

    SCRIPT = """#!/bin/sh
absent() { echo '[ERROR] 2026/11/21 could not read secret: "OpenAI" isn'"'"'t an item in the "Private" vault.' >&2; exit 1; }
[ "$*" = "read --no-newline op://Private/OpenAI/credential" ] || absent
[ -e "STORED" ] || absent
cat "STORED"
"""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.path = folder / "stored"
        self.reference = "op://Private/OpenAI/credential"
        self.environment = stand_in(folder, self.SCRIPT.replace("STORED", str(self.path)))

    def put(self, key: str) -> None:
        self.write(key.encode())


class Helper(File):
    """A program that prints the key, and talks about it."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.path = folder / "stored"
        script = folder / "print-key"
        script.write_text(f"#!/bin/sh\ncat {self.path} >&2\nexec cat {self.path}\n")
        script.chmod(0o755)
        self.reference = "cmd://print"
        self.environment = {}
        self.configuration = f"[helper]\nprint = [{json.dumps(str(script))}]\n"


def stand_in(folder: pathlib.Path, script: str, name: str = "op") -> dict[str, str]:
    """A program that does what the script says, before any other of this name on the path."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / name).write_text(script)
    (programs / name).chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


class Connect(Place):
    """A stand-in for a 1Password Connect server, with the answers that its documentation shows."""

    TOKEN = "connect-token-of-this-test"

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.key: str | None = None
        place = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = place.answer(self.path, self.headers.get("Authorization"))
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        self.reference = "op://Private/OpenAI/keys/second"
        self.environment = {"OP_CONNECT_HOST": f"http://127.0.0.1:{server.server_port}", "OP_CONNECT_TOKEN": self.TOKEN}

    def answer(self, path: str, authorization: str | None) -> tuple[int, object]:
        if authorization != f"Bearer {self.TOKEN}":
            return 401, {"status": 401, "message": "Authentication: (Invalid token)"}
        fields = [
            {"id": "username", "label": "username", "value": "somebody"},
            {"id": "f1", "label": "second", "value": "of another section"},
            {"id": "f2", "label": "second", "section": {"id": "s1"}, "value": self.key},
        ]
        answers = {
            "/v1/vaults": [{"id": "v1", "name": "Shared"}, {"id": "v2", "name": "Private"}],
            "/v1/vaults/v2/items": [{"id": "i1", "title": "OpenAI"}] if self.key else [],
            "/v1/vaults/v2/items/i1": {"id": "i1", "sections": [{"id": "s1", "label": "keys"}], "fields": fields},
        }
        return (200, answers[path]) if path in answers else (404, {"status": 404})

    def put(self, key: str) -> None:
        self.key = key


def vault(server: str, method: str, path: str, body: object = None, token: str = Vault.ROOT_TOKEN) -> typing.Any:
    """Asks the vault's API as root."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server}/v1/{path}", data, {"X-Vault-Token": token}, method=method)
    with urllib.request.urlopen(request, timeout=harness.DEADLINE_SECONDS) as answer:
        text = answer.read()
        return json.loads(text) if text else None


@contextlib.contextmanager
def vault_server() -> Iterator[str]:
    """OpenBao in memory, with both versions of key-value mounts and a role to log in as."""
    with tempfile.TemporaryDirectory(prefix="keywright-vault-") as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = f"http://127.0.0.1:{port}"
        command = ["bao", "server", "-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{port}"]
        process = subprocess.Popen(
            [_beside_python("bao"), *command[1:], f"-dev-root-token-id={Vault.ROOT_TOKEN}"],
            env={"HOME": home, "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            harness.eventually(lambda: _answers(server), "the vault answers")
            vault(server, "POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
            vault(server, "POST", "sys/auth/approle", {"type": "approle"})
            policy = 'path "secret/data/approle/*" { capabilities = ["read"] }'
            vault(server, "PUT", "sys/policies/acl/app", {"policy": policy})
            vault(server, "POST", "auth/approle/role/app", {"token_policies": "app", "token_ttl": "1h"})
            yield server
        finally:
            end(process)


def app_role(server: str) -> dict[str, str]:
    """What an app logs in with."""
    role = vault(server, "GET", "auth/approle/role/app/role-id")["data"]["role_id"]
    secret = vault(server, "POST", "auth/approle/role/app/secret-id", {})["data"]["secret_id"]
    return {"VAULT_ROLE_ID": role, "VAULT_SECRET_ID": secret}


def _answers(server: str) -> bool:
    try:
        return vault(server, "GET", "sys/health") is not None
    except (urllib.error.URLError, ConnectionError):
        return False


def _beside_python(name: str) -> str:
    """A program of this Python environment."""
    found = shutil.which(name, path=str(pathlib.Path(sys.executable).parent))
    assert found, f"no `{name}` in this Python environment"
    return found


def end(process: subprocess.Popen[typing.Any]) -> None:
    process.terminate()
    try:
        process.wait(harness.DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
