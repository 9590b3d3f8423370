"""One emulator and one vault for all tests of a run; a place of its own for each test."""

from __future__ import annotations

import contextlib
import inspect
import pathlib
import sys
import typing

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import clouds  # noqa: E402
import harness  # noqa: E402
import places  # noqa: E402

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def emulator() -> Iterator[harness.Emulator]:
    with harness.Emulator() as running:
        yield running


@pytest.fixture(scope="session")
def vault_server() -> Iterator[str]:
    with places.vault_server() as address:
        yield address


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    with clouds.moto_server() as address:
        yield address


class Ground(typing.NamedTuple):
    """What a place is made on: a folder of its own, and what ends with the test."""

    request: pytest.FixtureRequest
    path: pathlib.Path
    stack: contextlib.ExitStack


def vault(ground: Ground, mount: str, name: str, login: dict[str, str] | None) -> places.Place:
    server = ground.request.getfixturevalue("vault_server")
    return places.Vault(server, mount, name, login or places.app_role(server))


def moto(ground: Ground) -> tuple[str, str]:
    """The server, and the door before it where botocore checks every signature."""
    server = ground.request.getfixturevalue("moto_server")
    return server, clouds.checked_by_botocore(ground.stack, server)


ROOT = {"VAULT_TOKEN": places.Vault.ROOT_TOKEN}

"""How a place of each kind is made, in the order of the table."""
KINDS: dict[str, Callable[[Ground], places.Place]] = {
    "file": lambda ground: places.File(ground.path),
    "kubernetes": lambda ground: places.KubernetesFile(ground.path),
    "dotenv": lambda ground: places.Dotenv(ground.path),
    "systemd": lambda ground: places.Systemd(ground.path),
    "age": lambda ground: places.Age(ground.path),
    "age-ssh": lambda ground: places.AgeForSsh(ground.path),
    "keyring": lambda ground: places.Keyring(ground.path, ground.stack),
    "vault": lambda ground: vault(ground, "secret", ground.path.name, ROOT),
    "vault-kv1": lambda ground: vault(ground, "old", ground.path.name, ROOT),
    "vault-approle": lambda ground: vault(ground, "secret", f"approle/{ground.path.name}", None),
    "op": lambda ground: places.OnePassword(ground.path),
    "op-connect": lambda ground: places.Connect(ground.stack),
    "cmd": lambda ground: places.Helper(ground.path),
    "aws-sm": lambda ground: clouds.AwsSecret(*moto(ground), ground.path.name),
    "aws-sm-container": lambda ground: clouds.AwsContainer(ground.stack, *moto(ground), ground.path),
    "aws-ps": lambda ground: clouds.AwsParameter(*moto(ground), f"/{ground.path.name}/openai"),
    "gcp-sm": lambda ground: clouds.Google(ground.stack, ground.path),
    "gcp-sm-user": lambda ground: clouds.GoogleUser(ground.stack, ground.path),
    "gcp-sm-machine": lambda ground: clouds.GoogleMachine(ground.stack, ground.path),
    "azure-kv": lambda ground: clouds.Azure(ground.stack, ground.path),
    "azure-kv-federated": lambda ground: clouds.AzureFederated(ground.stack, ground.path),
    "azure-kv-managed": lambda ground: clouds.AzureManaged(ground.stack, ground.path),
    "k8s": lambda ground: clouds.Kubernetes(ground.stack, ground.path),
    "k8s-kubectl": lambda ground: clouds.Kubectl(ground.path),
}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[places.Place]:
    with contextlib.ExitStack() as stack:
        made = KINDS[request.param](Ground(request, tmp_path, stack))
        request.node.user_properties.append(("place", inspect.getdoc(type(made)) or ""))
        yield made


COLUMNS = {
    "found": "test_a_key_is_found",
    "miss explained": "test_a_miss_says_where_it_looked_and_what_to_do",
    "rotated live": "test_a_rotated_key_is_met_by_the_request_that_finds_the_old_one_refused",
    "refused: last known good": "test_it_stands_in_for_a_key_that_the_provider_refuses",
    "unreachable: last known good": "test_it_stands_in_for_a_source_that_cannot_be_reached",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what was seen of each place, and what the place was."""
    seen: dict[tuple[str, str], str] = {}
    what: dict[str, str] = {}
    for outcome, mark in [("passed", "yes"), ("failed", "NO"), ("error", "NO"), ("skipped", "-")]:
        for report in terminalreporter.stats.get(outcome, []):
            test, bracket, rest = report.nodeid.rpartition("::")[2].partition("[")
            kind = rest.removesuffix("]")
            if bracket and kind in KINDS:
                seen[kind, test] = mark
                what.setdefault(kind, dict(report.user_properties).get("place", "").partition("\n")[0])
    if not seen:
        return
    terminalreporter.section("places")
    terminalreporter.write_line(f"| place | {' | '.join(COLUMNS)} | what it was |")
    terminalreporter.write_line("|---" * (len(COLUMNS) + 2) + "|")
    for kind in KINDS:
        cells = [seen.get((kind, test), "") for test in COLUMNS.values()]
        terminalreporter.write_line(f"| {kind} | {' | '.join(cells)} | {what.get(kind, '')} |")
