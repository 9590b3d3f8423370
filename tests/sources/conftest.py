"""One emulator and one vault for all tests of a run; a place of its own for each test."""

from __future__ import annotations

import contextlib
import pathlib
import sys
import typing

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

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
            case kind:
                server = request.getfixturevalue("vault_server")
                token = {"VAULT_TOKEN": places.Vault.ROOT_TOKEN}
                mount, name, login = {
                    "vault": ("secret", tmp_path.name, token),
                    "vault-kv1": ("old", tmp_path.name, token),
                    "vault-approle": ("secret", f"approle/{tmp_path.name}", None),
                }[kind]
                yield places.Vault(server, mount, name, login or places.app_role(server))
