"""The live check of every command that has one, before providers that give keys back."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import typing
import urllib.parse

import canary
import harness
import pytest
import test_requests


class Parrot(test_requests.Parrot):
    """The same, with status, form and manner at the beginning of the path: the rest is the probe's."""

    def answer(self) -> None:
        status, form, manner = urllib.parse.unquote(self.path).split("/")[1:4]
        key = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        self.server.heard.append(key)
        self.repeat(int(status), canary.echoes(key)[form], manner, key)

    do_GET = answer


@pytest.fixture(scope="module")
def parrot() -> typing.Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


"""Where the base URL is `<url>`."""
CONFIGURATION = '[gateway]\nlisten = "127.0.0.1:0"\n[[provider]]\nid = "openai"\nkeys = ["env://OPENAI_API_KEY"]\nbase_url = "<url>"\n'

COMMANDS = {
    "doctor": ["doctor", "--live"],
    "doctor as JSON": ["doctor", "--live", "--json"],
    "run": ["run", "--live", "--require", "openai", "--", "true"],
    "run as JSON": ["run", "--live", "--json", "--", "true"],
    "serve": ["serve", "--live", "--require", "openai", "--check"],
    "serve with JSON logs": ["serve", "--live", "--require", "openai", "--check", "--log-format", "json"],
    "keys": ["keys", "test", "openai"],
    "keys as JSON": ["keys", "test", "openai", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
def test_a_key_that_comes_back_is_not_told(parrot, status, command, tmp_path):
    for form in canary.echoes("key"):
        known = canary.Canary("openai", harness.new_key("openai"))
        place = urllib.parse.quote(f"/{status}/{form}/whole")
        url = f"http://127.0.0.1:{parrot.server_port}{place}/v1"
        (tmp_path / "keywright.toml").write_text(CONFIGURATION.replace("<url>", url))
        environment = harness.surroundings(str(tmp_path)) | {
            "OPENAI_API_KEY": known.key,
            "OPENAI_BASE_URL": url,
            "KEYWRIGHT_LOG": "trace",
        }
        ended = subprocess.run(
            [str(harness.keywright()), "-v", *COMMANDS[command]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd=tmp_path,
            timeout=harness.DEADLINE_SECONDS,
            check=False,
        )
        assert known.key in parrot.heard, ended.stdout
        assert ended.returncode in (0, 1, 3), ended.stderr
        known.must_not_show(f"standard output, {status}, {form}", ended.stdout)
        known.must_not_show(f"standard error, {status}, {form}", ended.stderr)
        known.must_not_show_in_files(tmp_path, ())


@pytest.mark.parametrize("step", ["done", "shown", "refused", "nothing listed"])
@pytest.mark.parametrize("provider", ["openai", "fireworks"])
def test_a_rotation_through_the_admin_api_shows_no_key(emulator, tmp_path, provider, step):
    """The old key, the one that manages keys, and the new one that nobody has seen before."""
    admin = emulator.key("fireworks") if provider == "fireworks" else f"sk-admin-{harness.new_key('openai')[8:66]}T3BlbkFJ{'x' * 58}"
    emulator.set(provider, admin, "valid")
    old = emulator.key(provider) if step == "nothing listed" else made(emulator, provider, admin)
    environment = harness.surroundings(str(tmp_path)) | {"KEYWRIGHT_LOG": "trace", "RUST_BACKTRACE": "1", "MANAGES": admin}
    environment |= {"OPENAI_BASE_URL": f"{emulator.url}/openai/v1", "FIREWORKS_BASE_URL": f"{emulator.url}/fireworks"}

    def run(*arguments: str, stdin: str = "") -> bytes:
        ended = subprocess.run(
            [str(harness.keywright()), *arguments],
            input=stdin.encode(),
            capture_output=True,
            env=environment,
            cwd=tmp_path,
            timeout=harness.DEADLINE_SECONDS,
        )
        assert ended.returncode != 101, ended.stderr
        return ended.stdout + ended.stderr

    output = run("keys", "add", provider, stdin=old)
    if step == "refused":
        emulator.set(provider, admin, "revoked")
    options = ["--dry-run"] if step == "shown" else ["--yes"]
    output += run("-vv", "keys", "rotate", provider, "--via-admin-api", "--admin-key", "env://MANAGES", *options)
    new = run("keys", "export", "--env", provider).decode().split("=")[1].split()[0].strip("'\"")
    assert (new != old) == (step == "done"), "it was rotated, or not"
    for key in (old, admin, new):
        known = canary.Canary(provider, key)
        known.must_not_show("what the commands print", output)
        known.must_not_show_in_files(tmp_path, ())


def made(emulator: harness.Emulator, provider: str, admin: str) -> str:
    """A key that the provider made, so that it lists it."""
    paths = {
        "openai": ("/openai/v1/organization/projects/proj_KeywrightEmulatorMain000/service_accounts", {"name": "ci"}),
        "fireworks": ("/fireworks/v1/accounts/keywright-emulator/users/emulator/apiKeys", {"apiKey": {"displayName": "ci"}}),
    }
    path, body = paths[provider]
    headers = {"authorization": f"Bearer {admin}", "content-type": "application/json"}
    answer = harness.request(emulator.url, "POST", path, headers=headers, body=json.dumps(body).encode())
    assert answer.status == 200, answer.text
    told = json.loads(answer.body)
    return told["api_key"]["value"] if provider == "openai" else told["key"]
