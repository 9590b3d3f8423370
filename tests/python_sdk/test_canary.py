"""A marked key goes through every surface of the package, and shows in none."""

import asyncio
import io
import json
import logging
import os
import pathlib
import subprocess
import sys
import traceback

import keywright
import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "canary"))

import canary as marks  # noqa: E402

HELLO = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(params=["known", "unknown"])
def key(request, emulator):
    """One whose shape is known, and one that only the client knows."""
    if request.param == "known":
        return emulator.key("openai", "revoked")
    made = "Zq7" + os.urandom(24).hex() + "!x"
    emulator.set("openai", made, "revoked")
    return made


@pytest.fixture
def log():
    """Everything that anybody logs, at the most talkative level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level, {name: logging.getLogger(name).level for name in ("openai", "httpx", "httpcore", "keywright")}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in before[1]:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before[0])
    for name, level in before[1].items():
        logging.getLogger(name).setLevel(level)


def everything_about(error):
    """What programs and reporters print of an exception: words, notes, traceback."""
    yield str(error)
    yield repr(error)
    yield json.dumps(error.body, default=repr)
    yield "".join(getattr(error, "__notes__", []))
    yield "".join(traceback.format_exception(error))
    yield repr(error.request) + repr(error.request.headers) + repr(error.response) + repr(error.response.headers) + error.response.text
    diagnosis = error.diagnosis
    yield str(diagnosis) + repr(diagnosis) + json.dumps(diagnosis.to_dict())


def everything_of_a_client(client):
    yield repr(client) + repr(vars(client)) + str(client.api_key)
    yield repr(vars(client._client)) + repr(vars(client._client._transport)) + repr(client.default_headers)


def test_no_surface_shows_a_key(key, emulator, monkeypatch, log, capfd):
    canary = marks.Canary("openai", key)
    shown = []
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    for options in ({}, {"api_key": key}, {"keys": ["env://OPENAI_API_KEY"]}):
        client = keywright.OpenAI(**options)
        with pytest.raises(keywright.AuthenticationError) as raised:
            client.chat.completions.create(**HELLO)
        shown += [*everything_about(raised.value), *everything_of_a_client(client)]

    async def awaited():
        async with keywright.AsyncOpenAI(api_key=key) as client:
            with pytest.raises(keywright.AuthenticationError) as raised:
                await client.chat.completions.create(**HELLO)
            return [*everything_about(raised.value), *everything_of_a_client(client)]

    shown += asyncio.run(awaited())
    for broken in (f"{key}\n", f'"{key}"', f"Bearer {key}", f"{key}\u200b", f"export OPENAI_API_KEY={key}"):
        with pytest.raises(keywright.AuthenticationError) as raised:
            keywright.OpenAI(api_key=broken)
        shown += [*everything_about(raised.value), *map(str, keywright.inspect(broken)), repr(keywright.inspect(broken))]
    shown += [str(report := keywright.doctor()), repr(report), json.dumps(report.to_dict())]
    for text in (f"401 Incorrect API key provided: {key}", f"Illegal header value b'Bearer {key}'"):
        shown += [str(keywright.diagnose(text)), repr(keywright.diagnose(ValueError(text)))]
        shown += [keywright.redact(text)]
    shown += [keywright.mask(key)]
    for wrong in (lambda: keywright.doctor(key), lambda: keywright.OpenAI(keys=[key]), lambda: keywright.classify(key, 401, b"")):
        with pytest.raises(ValueError) as raised:
            wrong()
        shown += ["".join(traceback.format_exception_only(raised.value))]
    out = capfd.readouterr()
    for where, text in (("stdout", out.out), ("stderr", out.err), ("the log", log.getvalue()), *(("what was returned", text) for text in shown)):
        canary.must_not_show(where, text)


@pytest.mark.parametrize("ending", ["raise", "thread", "log"])
def test_no_key_shows_when_a_program_ends(key, emulator, tmp_path, ending):
    """With `install()`, whatever the program and its libraries raise or log."""
    program = {
        "raise": "raise ValueError('Bearer ' + key)",
        "thread": "import threading; threading.Thread(target=lambda: [][key]).start()",
        "log": "import logging; logging.error('Bearer %s', key)",
    }[ending]
    lines = ["import os, keywright", "keywright.install()", "key = os.environ['OPENAI_API_KEY']", "keywright.OpenAI()", program]
    surroundings = dict(os.environ) | {"OPENAI_API_KEY": key}
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, env=surroundings, cwd=tmp_path, timeout=60)
    marks.Canary("openai", key).must_not_show(ending, ended.stdout + ended.stderr)
    assert ended.stderr


def test_nothing_that_is_left_behind_shows_a_key(key, emulator, tmp_path):
    surroundings = dict(os.environ) | {"OPENAI_API_KEY": key, "OPENAI_API_KEY_BACKUP": emulator.key("openai")}
    program = f"import keywright; keywright.OpenAI().chat.completions.create(**{HELLO!r})"
    subprocess.run([sys.executable, "-c", program], check=True, env=surroundings, cwd=tmp_path, timeout=60)
    assert any(tmp_path.rglob("*.db")) or any(tmp_path.rglob("*sqlite*")) or any(tmp_path.rglob("*keywright*"))
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP"):
        marks.Canary("openai", surroundings[name]).must_not_show_in_files(tmp_path, allowed=())
