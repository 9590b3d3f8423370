"""Leases of a real vault (OpenBao): what ends is renewed or read again in time, without a request that fails first."""

from __future__ import annotations

import pathlib
import typing

import harness
import places
from test_sources import chat

"""Nothing but a lease makes the gateway read again within a test."""
SELDOM = "[sources]\npoll_seconds = 86400\n"


def serve(emulator: harness.Emulator, place: places.Vault) -> harness.Gateway:
    configuration = harness.configuration(emulator.url, {"openai": [place.reference]}) + SELDOM
    return harness.Gateway(configuration, dict(place.environment) | {"KEYWRIGHT_LOG": "keywright=debug,keywright_gateway=debug"})


def token_of(server: str, **options: object) -> tuple[str, str]:
    """A token for programs that may read, and the name under which its maker looks at it."""
    vault_policy = 'path "secret/data/*" { capabilities = ["read"] }\npath "old/*" { capabilities = ["read"] }'
    places.vault(server, "PUT", "sys/policies/acl/reads", {"policy": vault_policy})
    made = places.vault(server, "POST", "auth/token/create", {"policies": ["reads"], **options})
    return made["auth"]["client_token"], made["auth"]["accessor"]


def looked_at(server: str, accessor: str) -> dict[str, typing.Any]:
    return places.vault(server, "POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]


def app_tokens(server: str, role: str) -> set[str]:
    """The tokens that logins of this role gave, also those that have ended meanwhile."""
    listed = places.vault(server, "LIST", "auth/token/accessors")["data"]["keys"]
    found = set()
    for accessor in listed:
        try:
            if looked_at(server, accessor)["meta"] == {"role_name": role}:
                found.add(accessor)
        except OSError:
            # It ended between the two questions.
            continue
    return found


def test_a_token_is_renewed_before_it_ends(emulator: harness.Emulator, vault_server: str, tmp_path: pathlib.Path) -> None:
    token, accessor = token_of(vault_server, ttl="9s", renewable=True)
    place = places.Vault(vault_server, "secret", tmp_path.name, {"VAULT_TOKEN": token})
    old, new = emulator.key("openai"), emulator.key("openai")
    place.put(old)
    with serve(emulator, place) as gateway:
        ends = looked_at(vault_server, accessor)["expire_time"]
        harness.eventually(lambda: looked_at(vault_server, accessor)["expire_time"] > ends, "the token is renewed")
        ends = looked_at(vault_server, accessor)["expire_time"]
        harness.eventually(lambda: looked_at(vault_server, accessor)["expire_time"] > ends, "and renewed again")
        # So it still opens the vault when the key dies.
        place.put(new)
        emulator.set("openai", old, "revoked")
        answer = chat(gateway)
        assert answer.status == 200, answer.text + gateway.output()
        assert token not in gateway.output()


def test_a_token_that_cannot_be_renewed_is_left_alone(emulator: harness.Emulator, vault_server: str, tmp_path: pathlib.Path) -> None:
    token, accessor = token_of(vault_server, ttl="1h", renewable=False)
    place = places.Vault(vault_server, "secret", tmp_path.name, {"VAULT_TOKEN": token})
    place.put(emulator.key("openai"))
    with serve(emulator, place) as gateway:
        assert chat(gateway).status == 200
        assert looked_at(vault_server, accessor).get("last_renewal") is None


def test_an_app_logs_in_again_when_its_token_can_last_no_longer(
    emulator: harness.Emulator, vault_server: str, tmp_path: pathlib.Path
) -> None:
    places.vault(vault_server, "POST", f"auth/approle/role/{tmp_path.name}", {"token_policies": "app", "token_ttl": "3s", "token_max_ttl": "5s"})
    role = places.vault(vault_server, "GET", f"auth/approle/role/{tmp_path.name}/role-id")["data"]["role_id"]
    secret = places.vault(vault_server, "POST", f"auth/approle/role/{tmp_path.name}/secret-id", {})["data"]["secret_id"]
    login = {"VAULT_ROLE_ID": role, "VAULT_SECRET_ID": secret}
    place = places.Vault(vault_server, "secret", f"approle/{tmp_path.name}", login)
    old, new = emulator.key("openai"), emulator.key("openai")
    place.put(old)
    with serve(emulator, place) as gateway:
        seen: set[str] = set()

        def logged_in_again() -> bool:
            seen.update(app_tokens(vault_server, tmp_path.name))
            return len(seen) >= 2

        harness.eventually(logged_in_again, "a second login")
        place.put(new)
        emulator.set("openai", old, "revoked")
        answer = chat(gateway)
        assert answer.status == 200, answer.text + gateway.output()
        assert secret not in gateway.output()


def test_the_lease_of_a_secret_says_when_it_is_read_again(
    emulator: harness.Emulator, vault_server: str, tmp_path: pathlib.Path
) -> None:
    """Mounts of version 1 give a lease: the secret's own `ttl`. The old key still works, and nobody is refused."""
    place = places.Vault(vault_server, "old", tmp_path.name, {"VAULT_TOKEN": places.Vault.ROOT_TOKEN})
    old, new = emulator.key("openai"), emulator.key("openai")

    def put(key: str) -> None:
        places.vault(vault_server, "POST", f"old/{tmp_path.name}", {"openai": key, "ttl": "3s"})

    put(old)
    with serve(emulator, place) as gateway:
        assert chat(gateway).status == 200
        put(new)
        harness.eventually(lambda: chat(gateway).status == 200 and emulator.calls("openai", new).get(200, 0) > 1, "the new key serves")
        assert emulator.calls("openai", old).keys() == {200}, "it was replaced before it was refused"
        assert new not in gateway.output() and old not in gateway.output()
