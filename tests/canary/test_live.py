"""The live check of every command that has one, before providers that give keys back."""

from __future__ import annotations

import http.server
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
