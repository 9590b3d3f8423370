import pathlib
import sys
import typing

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import harness  # noqa: E402


@pytest.fixture(scope="session")
def emulator() -> typing.Iterator[harness.Emulator]:
    with harness.Emulator() as running:
        yield running
