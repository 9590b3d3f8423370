"""One emulator for all tests of a run."""

from __future__ import annotations

import pathlib
import sys
import typing

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "canary")]

import harness  # noqa: E402


@pytest.fixture(scope="session")
def emulator() -> typing.Iterator[harness.Emulator]:
    with harness.Emulator() as running:
        yield running
