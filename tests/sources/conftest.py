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
    from collections.abc import Iterator


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


KINDS = [
    "file",
    "kubernetes",
    "dotenv",
    "systemd",
    "age",
    "age-ssh",
    "keyring",
    "vault",
    "vault-kv1",
    "vault-approle",
    "op",
    "op-connect",
    "cmd",
    "aws-sm",
    "aws-sm-container",
    "aws-ps",
    "gcp-sm",
    "gcp-sm-user",
    "gcp-sm-machine",
    "azure-kv",
    "azure-kv-federated",
    "azure-kv-managed",
    "k8s",
    "k8s-kubectl",
]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[places.Place]:
    with contextlib.ExitStack() as stack:
        made = make(request.param, request, tmp_path, stack)
        request.node.user_properties.append(("place", inspect.getdoc(type(made)) or ""))
        yield made


def make(
    kind: str, request: pytest.FixtureRequest, tmp_path: pathlib.Path, stack: contextlib.ExitStack
) -> places.Place:
    match kind:
        case "file":
            return places.File(tmp_path)
        case "kubernetes":
            return places.KubernetesFile(tmp_path)
        case "dotenv":
            return places.Dotenv(tmp_path)
        case "systemd":
            return places.Systemd(tmp_path)
        case "age":
            return places.Age(tmp_path)
        case "age-ssh":
            return places.AgeForSsh(tmp_path)
        case "keyring":
            return places.Keyring(tmp_path, stack)
        case "op":
            return places.OnePassword(tmp_path)
        case "op-connect":
            return places.Connect(stack)
        case "cmd":
            return places.Helper(tmp_path)
        case "aws-sm" | "aws-sm-container" | "aws-ps":
            moto = request.getfixturevalue("moto_server")
            door = clouds.checked_by_botocore(stack, moto)
            if kind == "aws-sm":
                return clouds.AwsSecret(moto, door, tmp_path.name)
            if kind == "aws-sm-container":
                return clouds.AwsContainer(stack, moto, door, tmp_path)
            return clouds.AwsParameter(moto, door, f"/{tmp_path.name}/openai")
        case "gcp-sm":
            return clouds.Google(stack, tmp_path)
        case "gcp-sm-user":
            return clouds.GoogleUser(stack, tmp_path)
        case "gcp-sm-machine":
            return clouds.GoogleMachine(stack, tmp_path)
        case "azure-kv":
            return clouds.Azure(stack, tmp_path)
        case "azure-kv-federated":
            return clouds.AzureFederated(stack, tmp_path)
        case "azure-kv-managed":
            return clouds.AzureManaged(stack, tmp_path)
        case "k8s":
            return clouds.Kubernetes(stack, tmp_path)
        case "k8s-kubectl":
            return clouds.Kubectl(tmp_path)
        case _:
            server = request.getfixturevalue("vault_server")
            token = {"VAULT_TOKEN": places.Vault.ROOT_TOKEN}
            mount, name, login = {
                "vault": ("secret", tmp_path.name, token),
                "vault-kv1": ("old", tmp_path.name, token),
                "vault-approle": ("secret", f"approle/{tmp_path.name}", None),
            }[kind]
            return places.Vault(server, mount, name, login or places.app_role(server))


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
