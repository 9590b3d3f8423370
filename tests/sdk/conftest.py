"""One emulator for all tests of a run; a gateway for each test, with keys that no other test has."""

from __future__ import annotations

import contextlib
import pathlib
import sys
import typing

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import adapters  # noqa: E402
import harness  # noqa: E402


class Stage(typing.NamedTuple):
    """What a scenario plays on: two keys at the provider, a gateway that holds them, an app with a token of its own."""

    sdk: adapters.Adapter
    emulator: harness.Emulator
    gateway: harness.Gateway
    keys: list[str]
    token: str

    def client(self) -> typing.Any:
        return self.sdk.client(self.gateway.url, self.token)

    def concurrent_client(self) -> typing.Any:
        return self.sdk.concurrent_client(self.gateway.url, self.token)

    def revoke(self, key: str) -> None:
        self.emulator.set(self.sdk.provider, key, "revoked")

    def calls(self, key: str) -> dict[int, int]:
        return self.emulator.calls(self.sdk.provider, key)


@pytest.fixture(scope="session")
def emulator() -> typing.Iterator[harness.Emulator]:
    with harness.Emulator() as running:
        yield running


@pytest.fixture(scope="session")
def sdk() -> adapters.Adapter:
    return adapters.installed()


@pytest.fixture
def stage(sdk: adapters.Adapter, emulator: harness.Emulator) -> typing.Iterator[Stage]:
    keys = [emulator.key(sdk.provider), emulator.key(sdk.provider)]
    token = harness.new_token()
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(harness.gateway(emulator, {sdk.provider: keys}, tokens=[token]))
        yield Stage(sdk, emulator, gateway, keys, token)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "openai: a scenario that only OpenAI's SDK has the calls for")
    config.addinivalue_line("markers", "embeddings: a scenario that only SDKs with embeddings have the calls for")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out what this SDK has no call for; a skip would suggest that something is missing."""
    sdk = adapters.installed()
    lacks = set() if sdk.provider == "openai" else {"openai"}
    lacks |= set() if sdk.embedding_model else {"embeddings"}
    items[:] = [item for item in items if not any(item.get_closest_marker(mark) for mark in lacks)]


def pytest_report_header() -> str:
    sdk = adapters.installed()
    return f"SDK: {sdk.distribution} {sdk.version}"
