import os
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


@pytest.fixture(autouse=True)
def surroundings(emulator, monkeypatch, tmp_path):
    """Only what a test sets: no key, no state and no file of the developer's; all providers are the emulator's."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "FIREWORKS_", "TOGETHER_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{emulator.url}/openai/v1")
    monkeypatch.setenv("FIREWORKS_BASE_URL", f"{emulator.url}/fireworks")
    monkeypatch.setenv("TOGETHER_BASE_URL", f"{emulator.url}/together/v1")
