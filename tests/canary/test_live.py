"""The live check of `doctor`, before providers and proxies that give keys back."""

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


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
def test_a_key_that_comes_back_is_not_told(parrot, status, options, tmp_path):
    for form in canary.echoes("key"):
        known = canary.Canary("openai", harness.new_key("openai"))
        place = urllib.parse.quote(f"/{status}/{form}/whole")
        environment = harness.surroundings(str(tmp_path)) | {
            "OPENAI_API_KEY": known.key,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{parrot.server_port}{place}/v1",
            "KEYWRIGHT_LOG": "trace",
        }
        ended = subprocess.run(
            [str(harness.keywright()), "-v", "doctor", "--live", *options],
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
