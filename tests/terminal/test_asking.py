"""No key is left, and a person sits at the terminal: the request waits, the person pastes a key, the request goes on."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import typing

import harness
import pytest
from canary import Canary, descendants
from console import KEEP, PROMPT, Console, Revoked

"""A program without an SDK: one question, and what became of it. It holds stdin, as a program may."""
PROGRAM = """\
import json, os, sys, urllib.error, urllib.request
base, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "MARKED-BODY"}]}).encode()
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
try:
    answer = urllib.request.urlopen(urllib.request.Request(base + "/chat/completions", body, headers))
    print("status", answer.status, "attempts", answer.headers["x-keywright-attempts"], flush=True)
except urllib.error.HTTPError as error:
    print("status", error.code, error.headers["x-keywright-cause"], flush=True)
print("stdin:", sys.stdin.readline().strip() if not sys.stdin.isatty() else "terminal", flush=True)
"""
PAUSED = "the program is paused meanwhile"
ASKS_PASSPHRASE = "Passphrase of the key vault"
PASSPHRASE = "MARKED-PASSPHRASE"


class Scene(Revoked):
    """A folder with the program, and a key that is revoked."""

    def run(self, *options: str, environment: dict[str, str] | None = None, **streams: typing.Any) -> Console:
        variables = self.variables | (environment or {})
        return Console(["run", *options, "--", "python3", "app.py"], self.folder, variables, **streams)

    def stored(self) -> list[dict[str, typing.Any]]:
        """What `keys list` finds in the stores."""
        listed = subprocess.run(
            [harness.keywright(), "keys", "list", "openai", "--json"],
            cwd=self.folder,
            env=harness.surroundings(str(self.folder)),
            capture_output=True,
            check=True,
            timeout=harness.DEADLINE_SECONDS,
        )
        return json.loads(listed.stdout)["keys"]

    def store(self, key: str) -> None:
        subprocess.run(
            [harness.keywright(), "keys", "add", "openai"],
            cwd=self.folder,
            env=harness.surroundings(str(self.folder)),
            input=key.encode(),
            capture_output=True,
            check=True,
            timeout=harness.DEADLINE_SECONDS,
        )

    def nothing_shows(self, console: Console) -> None:
        for key in (self.dead, self.fresh):
            Canary("openai", key).must_not_show("the terminal", console.seen)
            Canary("openai", key).must_not_show_in_files(self.folder, {".env"})
        assert "MARKED-BODY" not in console.seen


@pytest.fixture
def scene(emulator: harness.Emulator, tmp_path: pathlib.Path) -> Scene:
    (tmp_path / "app.py").write_text(PROGRAM)
    return Scene.at(emulator, tmp_path)


def test_the_request_that_waits_completes_with_the_pasted_key(scene: Scene) -> None:
    with scene.run() as console:
        console.until(PROMPT)
        assert not console.echoes
        assert PAUSED in console.seen
        console.type(scene.fresh + "\r")
        console.until(KEEP)
        assert "status" not in console.seen, "the program reads this terminal: it is paused for the second question too"
        console.type("\r")
        console.until("status 200")
        assert console.end() == 0
        seen = console.seen
        assert seen.index("1 request waits") < seen.index("error[invalid_key]") < seen.index(PROMPT)
        assert f"…{harness.masked_tail(scene.fresh)} works; the requests go on" in seen
        scene.nothing_shows(console)
    assert scene.emulator.calls("openai", scene.fresh)[200] >= 1


def test_stdin_and_output_may_belong_to_the_program(scene: Scene) -> None:
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with scene.run(**streams) as console:
        console.until(PROMPT)
        assert PAUSED not in console.seen
        console.type(scene.fresh + "\n")
        console.until(KEEP)
        console.type("n\n")
        output, errors = console.process.communicate(b"for the program\n", timeout=harness.DEADLINE_SECONDS)
        assert console.end() == 0
        assert output.splitlines()[0].startswith(b"status 200") and b"stdin: for the program" in output
        assert PROMPT.encode() not in output + errors
        Canary("openai", scene.fresh).must_not_show("the program's output", output + errors)
        scene.nothing_shows(console)


def test_a_key_that_cannot_serve_is_explained_and_asked_for_again(scene: Scene) -> None:
    unknown = harness.new_key("openai")
    with scene.run() as console:
        for times, (typed, says) in enumerate(
            (
                ("your_api_key_here", "error[placeholder_key]"),
                (scene.dead, "this key is one of those that are out"),
                (unknown, "the key that you gave"),
                (scene.fresh[:40] + " " + scene.fresh[40:], "error["),
                ("x" * 9000, "far longer than any key"),
            ),
            start=1,
        ):
            console.until(PROMPT, times)
            console.type(typed + "\r")
            console.until(says)
        console.until(PROMPT, 6)
        console.type(scene.fresh + "\r")
        console.until(KEEP)
        console.type("\x03")
        console.until("status 200")
        assert console.end() == 0
        scene.nothing_shows(console)
        Canary("openai", unknown).must_not_show("the terminal", console.seen)


@pytest.mark.parametrize(
    ("typed", "says"),
    [(harness.new_key("fireworks"), "has the shape of a key of Fireworks AI"), ("junk", "no known kind of OpenAI key looks like")],
    ids=["another provider's", "no key"],
)
def test_a_refused_key_is_explained_by_its_shape(scene: Scene, typed: str, says: str) -> None:
    with scene.run() as console:
        console.until(PROMPT)
        console.type(typed + "\r")
        console.until(PROMPT, 2)
        told = console.seen.split(PROMPT)[1]
        assert says in told and "error[" in told, told
        console.type("\r")
        console.until("status 503")
        assert console.end() == 0
        assert typed not in console.seen


def vault_with_a_passphrase(scene: Scene) -> None:
    with Console(["keys", "add", "openai", "--passphrase", "--store", "age"], scene.folder, {}) as console:
        console.until("hidden")
        console.type(scene.fresh + "\r")
        for says in ("Passphrase for the new key vault", "The same again"):
            console.until(says)
            console.type(PASSPHRASE + "\r")
        assert console.end() == 0, console.seen


@pytest.mark.parametrize("typed", [(PASSPHRASE,), ("wrong", PASSPHRASE), ("",)], ids=["right", "wrong first", "none"])
def test_run_asks_for_the_passphrase_of_the_vault_before_the_program_starts(scene: Scene, typed: tuple[str, ...]) -> None:
    vault_with_a_passphrase(scene)
    with scene.run(environment={"OPENAI_API_KEY": ""}) as console:
        for times, line in enumerate(typed, start=1):
            console.until(ASKS_PASSPHRASE, times)
            console.type(line + "\r")
        if typed[-1] == PASSPHRASE:
            console.until("status 200")
            assert console.end() == 0
        else:
            assert console.end() == 125
            assert "KEYWRIGHT_AGE_PASSPHRASE_FILE" in console.seen and "status" not in console.seen
        assert PASSPHRASE not in console.seen
        scene.nothing_shows(console)


@pytest.mark.parametrize("way", ["--no-ask", "CI", "another key is there"])
def test_run_does_not_ask_for_a_passphrase(scene: Scene, way: str) -> None:
    vault_with_a_passphrase(scene)
    there = way == "another key is there"
    environment = {"OPENAI_API_KEY": scene.emulator.key("openai") if there else ""} | ({"CI": "1"} if way == "CI" else {})
    with scene.run(*(["--no-ask"] if way == "--no-ask" else []), environment=environment) as console:
        assert console.end() == (0 if there else 125)
        assert ASKS_PASSPHRASE not in console.seen
        assert there or "KEYWRIGHT_AGE_PASSPHRASE_FILE" in console.seen


def test_a_pasted_key_is_kept_when_that_is_agreed_to_and_the_request_does_not_wait_for_the_answer(scene: Scene) -> None:
    with scene.run(stdin=subprocess.DEVNULL) as console:
        console.until(PROMPT)
        console.type(scene.fresh + "\r")
        console.until(KEEP)
        console.until("status 200")
        assert console.process.poll() is None, "the person has not answered yet"
        assert scene.stored() == []
        console.type("y\r")
        assert console.end() == 0
        assert "is kept: age://" in console.seen and "out of environment variable OPENAI_API_KEY" in console.seen
        scene.nothing_shows(console)
    [kept] = scene.stored()
    assert kept["masked"].endswith(harness.masked_tail(scene.fresh))
    with scene.run(environment={"OPENAI_API_KEY": ""}) as console:
        console.until("status 200 attempts 1")
        assert console.end() == 0
        assert PROMPT not in console.seen


def test_what_was_stored_before_is_not_lost(scene: Scene) -> None:
    scene.store(scene.dead)
    with scene.run(environment={"OPENAI_API_KEY": ""}) as console:
        console.until(PROMPT)
        console.type(scene.fresh + "\r")
        console.until(KEEP)
        console.type("yes\r")
        assert console.end() == 0
        assert "which was there, is kept as `previous`" in console.seen
        scene.nothing_shows(console)
    kept = {key["name"]: key["masked"] for key in scene.stored()}
    assert kept["default"].endswith(harness.masked_tail(scene.fresh))
    assert kept["previous"].endswith(harness.masked_tail(scene.dead))


@pytest.mark.parametrize("way", ["no", "signal", "locked"])
def test_a_pasted_key_is_not_kept_otherwise(scene: Scene, way: str) -> None:
    if way == "locked":
        vault = scene.folder / ".local/share/keywright/keys.age"
        scene.store(scene.dead)
        vault.write_bytes(b"not what it was")
    with scene.run(stdin=subprocess.DEVNULL) as console:
        console.until(PROMPT)
        console.type(scene.fresh + "\r")
        console.until(KEEP)
        console.until("status 200")
        console.until("stdin:")
        match way:
            case "no":
                console.type("no\r")
            case "signal":
                harness.eventually(lambda: not list(descendants(console.process.pid)), "the question alone is left")
                console.process.send_signal(signal.SIGTERM)
            case "locked":
                console.type("y\r")
                console.until("it is not kept")
        assert console.end() == 0
        scene.nothing_shows(console)
    if way == "locked":
        assert vault.read_bytes() == b"not what it was"
    else:
        assert scene.stored() == []


@pytest.mark.parametrize("typed", ["\r", "\x03", "\x04", "\x1c", "half a key\x03"], ids=["empty", "ctrl-c", "ctrl-d", "ctrl-backslash", "ctrl-c later"])
def test_giving_up_answers_the_request_and_leaves_the_program_alone(scene: Scene, typed: str) -> None:
    with scene.run() as console:
        console.until(PROMPT)
        console.type(typed)
        console.until("status 503 invalid_key")
        assert console.end() == 0, "the program ended by itself"
        assert "half a key" not in console.seen
        scene.nothing_shows(console)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_while_asking_leaves_the_terminal_as_it_was(scene: Scene, number: int) -> None:
    (scene.folder / "app.py").write_text("import os, signal\n" + "signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + PROGRAM)
    with scene.run() as console:
        console.until(PROMPT)
        # The program is in the same group, and a keyboard's signal is left to the terminal.
        if number in (signal.SIGINT, signal.SIGQUIT):
            os.killpg(console.process.pid, number)
        else:
            console.process.send_signal(number)
        assert console.end() == 128 + number


def test_a_program_that_ends_takes_the_question_back(scene: Scene) -> None:
    (scene.folder / "app.py").write_text("import socket\nsocket.setdefaulttimeout(1)\n" + PROGRAM)
    with scene.run(stdin=subprocess.DEVNULL) as console:
        console.until(PROMPT)
        assert console.end() == 1
        assert "TimeoutError" in console.seen


def test_a_key_that_comes_from_its_source_ends_the_question(scene: Scene) -> None:
    (scene.folder / ".env").write_text(f"OPENAI_API_KEY={scene.dead}\n")
    with scene.run(environment={"OPENAI_API_KEY": ""}) as console:
        console.until(PROMPT)
        (scene.folder / ".env").write_text(f"OPENAI_API_KEY={scene.fresh}\n")
        console.until("nothing waits for a key any more")
        console.until("status 200")
        assert console.end() == 0
        scene.nothing_shows(console)


@pytest.mark.parametrize("way", ["--no-ask", "CI", "configuration", "no terminal"])
def test_nobody_is_asked(scene: Scene, way: str) -> None:
    (scene.folder / "keywright.toml").write_text("[gateway]\nask = false\n")
    options = {"--no-ask": ["--no-ask"], "configuration": ["--config", "keywright.toml"]}.get(way, [])
    if way == "no terminal":
        variables = {"OPENAI_API_KEY": scene.dead, "OPENAI_BASE_URL": f"{scene.emulator.url}/openai/v1"}
        ended = subprocess.run(
            [harness.keywright(), "run", "--", "python3", "app.py"],
            cwd=scene.folder,
            env=harness.surroundings(str(scene.folder)) | variables,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=harness.DEADLINE_SECONDS,
        )
        assert b"status 503" in ended.stdout and PROMPT.encode() not in ended.stdout + ended.stderr
        return
    with scene.run(*options, environment={"CI": "true"} if way == "CI" else {}) as console:
        console.until("status 503")
        assert console.end() == 0
        assert PROMPT not in console.seen


def test_a_service_in_the_foreground_asks_when_told_to(scene: Scene) -> None:
    (scene.folder / "keywright.toml").write_text(harness.configuration(scene.emulator.url, {"openai": ["env://OPENAI_API_KEY"]}))
    environment = {"OPENAI_API_KEY": scene.dead}
    with Console(["serve", "--ask"], scene.folder, environment) as console:
        console.until("listening")
        address = console.seen.split("listening")[1].split("http://")[1].split()[0]
        program = {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"http://{address}/openai/v1"}
        asking = subprocess.Popen(
            ["python3", "app.py"],
            cwd=scene.folder,
            env=harness.surroundings(str(scene.folder)) | program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        console.until(PROMPT)
        console.type(scene.fresh + "\r")
        output, _ = asking.communicate(timeout=harness.DEADLINE_SECONDS)
        assert output.startswith(b"status 200"), output
        console.until(KEEP)
        console.type("y\r")
        console.until("is kept: age://")
        console.process.send_signal(signal.SIGTERM)
        assert console.end() == 0
        scene.nothing_shows(console)
