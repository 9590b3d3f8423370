"""One emulator and one vault for all tests of a run; a place of its own for each test."""

from __future__ import annotations

import contextlib
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
    "aws-ps",
    "gcp-sm",
    "azure-kv",
    "azure-kv-federated",
    "azure-kv-managed",
    "k8s",
    "k8s-kubectl",
]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[places.Place]:
    with contextlib.ExitStack() as stack:
        match request.param:
            case "file":
                yield places.File(tmp_path)
            case "kubernetes":
                yield places.KubernetesFile(tmp_path)
            case "dotenv":
                yield places.Dotenv(tmp_path)
            case "systemd":
                yield places.Systemd(tmp_path)
            case "age":
                yield places.Age(tmp_path)
            case "age-ssh":
                yield places.AgeForSsh(tmp_path)
            case "keyring":
                yield places.Keyring(tmp_path, stack)
            case "op":
                yield places.OnePassword(tmp_path)
            case "op-connect":
                yield places.Connect(stack)
            case "cmd":
                yield places.Helper(tmp_path)
            case "aws-sm" | "aws-ps" as kind:
                moto = request.getfixturevalue("moto_server")
                door = clouds.checked_by_botocore(stack, moto)
                if kind == "aws-sm":
                    yield clouds.AwsSecret(moto, door, tmp_path.name)
                else:
                    yield clouds.AwsParameter(moto, door, f"/{tmp_path.name}/openai")
            case "gcp-sm":
                yield clouds.Google(stack, tmp_path)
            case "azure-kv":
                yield clouds.Azure(stack, tmp_path)
            case "azure-kv-federated":
                yield clouds.AzureFederated(stack, tmp_path)
            case "azure-kv-managed":
                yield clouds.AzureManaged(stack, tmp_path)
            case "k8s":
                yield clouds.Kubernetes(stack, tmp_path)
            case "k8s-kubectl":
                yield clouds.Kubectl(tmp_path)
            case kind:
                server = request.getfixturevalue("vault_server")
                token = {"VAULT_TOKEN": places.Vault.ROOT_TOKEN}
                mount, name, login = {
                    "vault": ("secret", tmp_path.name, token),
                    "vault-kv1": ("old", tmp_path.name, token),
                    "vault-approle": ("secret", f"approle/{tmp_path.name}", None),
                }[kind]
                yield places.Vault(server, mount, name, login or places.app_role(server))
