"""Every program of every page does what the page says, with every SDK version that the page names."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tomllib
import typing

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import snippets  # noqa: E402
import verify  # noqa: E402
from snippets import harness  # noqa: E402

PAGES = snippets.pages()
CASES = list(snippets.cases(PAGES))


@pytest.fixture(scope="session")
def emulator() -> typing.Iterator[harness.Emulator]:
    with harness.Emulator() as running:
        yield running


@pytest.fixture(scope="session")
def outcomes(emulator) -> dict[str, snippets.Outcome]:
    return snippets.run_all(emulator, CASES)


@pytest.fixture(scope="session")
def recorded() -> dict[str, typing.Any]:
    return tomllib.loads(verify.RECORD.read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_program_does_what_its_page_says(case, outcomes):
    assert outcomes[case.name].problem is None, outcomes[case.name].problem


def test_the_record_is_that_of_these_versions(outcomes, recorded):
    """A new SDK, page or result wants `cargo xtask pages verify --write`."""
    fresh = tomllib.loads(verify.record(CASES, outcomes))
    assert recorded["run"] == fresh["run"]
    last = {trace["page"]: last_line(trace["text"]) for trace in recorded["trace"]}
    assert last == {trace["page"]: last_line(trace["text"]) for trace in fresh["trace"]}


def test_no_recorded_trace_holds_a_key():
    text = verify.RECORD.read_text()
    for case in CASES:
        for word in re.findall(r"<([a-z_:]+)>", json.dumps(case.scene)):
            provider = word.rpartition(":")[0] or case.sdk["provider"]
            key = snippets.seeded_key(provider, f"{case.name} {word}")
            assert key[10:-6] not in text, f"{case.name}: {word}"


WORKAROUNDS = [case for case in CASES if case.snippet == "workaround" and case.sdk["language"] == "python"]


@pytest.mark.parametrize("case", WORKAROUNDS, ids=lambda case: case.name)
def test_a_person_is_asked_when_all_keys_are_refused(case, emulator, tmp_path):
    """On a terminal the shared program asks for a key, hides it, and goes on with it."""
    variable = f"{case.sdk['provider'].upper()}_API_KEY"
    dead, good = (snippets.seeded_key(case.sdk["provider"], f"{case.name} {word}") for word in ("asked-dead", "asked-good"))
    emulator.set(case.sdk["provider"], dead, "revoked")
    emulator.set(case.sdk["provider"], good, "valid")
    environment = snippets.surroundings(emulator, case, str(tmp_path)) | {variable: dead}
    leader, follower = pty.openpty()
    command = ["setsid", "--ctty", *snippets.command_of(case, str(tmp_path))]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment, cwd=tmp_path) as process:
        os.close(follower)
        shown = read_until(leader, b"key: ")
        os.write(leader, good.encode() + b"\n")
        shown += read_until(leader, snippets.RESPONSE.encode())
        assert process.wait(harness.DEADLINE_SECONDS) == 0, shown
    os.close(leader)
    assert b"a key was refused with 401" in shown
    assert good.encode() not in shown, "what was typed showed"


def read_until(terminal: int, end: bytes) -> bytes:
    shown = b""
    while end not in shown:
        try:
            read = os.read(terminal, 4096)
        except OSError as error:
            raise AssertionError(f"the program ended: {shown!r}") from error
        shown += read
    return shown


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""
