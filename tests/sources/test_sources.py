"""Every source against the real thing: a key is found there, a miss says why, a rotated key is met without a restart."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import typing

import harness
import places

CHAT = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def serve(emulator: harness.Emulator, *held: places.Place) -> harness.Gateway:
    references = [place.reference for place in held]
    environment = {name: value for place in held for name, value in place.environment.items()}
    return harness.Gateway(harness.configuration(emulator.url, {"openai": references}), environment)


def chat(gateway: harness.Gateway) -> harness.Answer:
    headers = {"content-type": "application/json"}
    return harness.request(gateway.url, "POST", "/openai/v1/chat/completions", headers=headers, body=CHAT)


def check(tmp_path: pathlib.Path, reference: str, environment: typing.Mapping[str, str]) -> dict[str, typing.Any]:
    """What `serve --check` says of one key."""
    file = tmp_path / "keywright.toml"
    file.write_text(harness.configuration("http://127.0.0.1:9", {"openai": [reference]}))
    ran = subprocess.run(
        [harness.keywright(), "serve", "--config", file, "--check", "--json"],
        env=harness.surroundings(str(tmp_path)) | dict(environment),
        capture_output=True,
        text=True,
        timeout=harness.DEADLINE_SECONDS,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (key,) = json.loads(ran.stdout)["keys"]
    assert key["state"] == "missing", key
    return key


def test_a_key_is_found(emulator: harness.Emulator, place: places.Place) -> None:
    place.put(emulator.key("openai"))
    with serve(emulator, place) as gateway:
        answer = chat(gateway)
        assert (answer.status, answer.headers["x-keywright-attempts"]) == (200, "1"), answer.text + gateway.output()


def test_a_rotated_key_is_met_by_the_request_that_finds_the_old_one_refused(
    emulator: harness.Emulator, place: places.Place
) -> None:
    old, new = emulator.key("openai"), emulator.key("openai")
    place.put(old)
    with serve(emulator, place) as gateway:
        assert chat(gateway).status == 200
        place.put(new)
        emulator.set("openai", old, "revoked")
        answer = chat(gateway)
        assert answer.status == 200, answer.text + gateway.output()
        assert emulator.calls("openai", new).get(200, 0) >= 1
        assert old not in gateway.output() and new not in gateway.output()


def test_a_miss_says_where_it_looked_and_what_to_do(place: places.Place, tmp_path: pathlib.Path) -> None:
    # Nothing was put there.
    found = check(tmp_path, place.reference, place.environment)
    says = {
        places.File: "no such file",
        places.KubernetesFile: "no such file",
        places.Dotenv: "no such file",
        places.Systemd: "no such file",
        places.Age: "no such file",
        places.AgeForSsh: "no such file",
        places.Keyring: "not set",
        places.Vault: "not set",
        places.OnePassword: "not set",
        places.Connect: "not set",
    }[type(place)]
    assert found["place"].endswith(f": {says}"), found


def test_each_trouble_with_an_age_file_has_its_words(tmp_path: pathlib.Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    place, stranger = places.Age(mine), places.Age(other)
    place.put("sk-proj-x")
    whole = place.path.read_bytes()
    (tmp_path / "plain.age").write_text("openai=x\n")
    (tmp_path / "cut.age").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "nonsense").write_text("nothing\n")
    for reference, environment, says, helps in [
        (place.reference, {}, "nothing is set that opens it", "KEYWRIGHT_AGE_IDENTITY"),
        (place.reference, stranger.environment, "the passphrase or identity does not open it", "encrypt"),
        (place.reference, {"KEYWRIGHT_AGE_IDENTITY": str(tmp_path / "nonsense")}, "cannot be used", "age-keygen"),
        (place.reference, {"KEYWRIGHT_AGE_IDENTITY": str(tmp_path / "gone")}, "cannot be used", "age-keygen"),
        (f"age://{place.path}#gone", place.environment, "not set", None),
        (f"age://{tmp_path}/plain.age#openai", place.environment, "it is not an age file", None),
        (f"age://{tmp_path}/cut.age#openai", place.environment, "age file", None),
    ]:
        found = check(tmp_path, reference, environment)
        assert says in found["place"], found
        assert helps is None or helps in found["help"], found


def test_each_trouble_with_a_vault_has_its_words(tmp_path: pathlib.Path, vault_server: str) -> None:
    address, root = {"VAULT_ADDR": vault_server}, {"VAULT_TOKEN": places.Vault.ROOT_TOKEN}
    place = places.Vault(vault_server, "secret", "troubles", root)
    place.put("sk-proj-x")
    places.vault(vault_server, "POST", "secret/data/shaped", {"data": {"openai": {"nested": True}}})
    role = places.app_role(vault_server)
    for path, environment, says, helps in [
        ("secret/troubles#openai", {}, "VAULT_ADDR is not set", "VAULT_ADDR"),
        ("secret/troubles#openai", address, "nothing to log in with", "vault login"),
        ("secret/troubles#openai", address | {"VAULT_TOKEN": "wrong"}, "403", "vault token"),
        ("secret/troubles#openai", address | role, "403", "vault token"),
        ("secret/approle/x#openai", address | role | {"VAULT_SECRET_ID": "wrong"}, "refused the login", "secret id"),
        ("secret/troubles#gone", address | root, "the secret has no such field", "after `#`"),
        ("secret/gone#openai", address | root, "not set", None),
        ("secret/shaped#openai", address | root, "the field is not a string", None),
        ("secret/troubles#openai", root | {"VAULT_ADDR": "http://127.0.0.1:9"}, "cannot be reached [network]", None),
        ("secret/troubles#openai", root | {"VAULT_ADDR": "vault.example.com"}, "cannot be used", None),
    ]:
        found = check(tmp_path, f"vault://{path}", environment)
        assert says in found["place"], found
        assert helps is None or helps in found["help"], found


def test_a_sealed_vault_says_so_and_keys_stay_in_use(emulator: harness.Emulator) -> None:
    with places.vault_server() as server:
        place = places.Vault(server, "secret", "sealed", {"VAULT_TOKEN": places.Vault.ROOT_TOKEN})
        place.put(emulator.key("openai"))
        with serve(emulator, place) as gateway:
            assert chat(gateway).status == 200
            places.vault(server, "PUT", "sys/seal", {})
            assert chat(gateway).status == 200, "the value that was read goes on serving"


def test_without_a_keyring_service_it_says_so(tmp_path: pathlib.Path) -> None:
    found = check(tmp_path, "keyring://openai/default", {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/nothing"})
    assert "no keyring service answers" in found["place"]
    assert "age" in found["help"]


def test_outside_of_systemd_it_says_so(tmp_path: pathlib.Path) -> None:
    found = check(tmp_path, "systemd://openai", {})
    assert "CREDENTIALS_DIRECTORY is not set" in found["place"]
    assert "LoadCredential" in found["help"]


def test_each_trouble_with_1password_has_its_words(tmp_path: pathlib.Path) -> None:
    for script, says, helps in [
        (None, "there is no command `op`", "OP_CONNECT_HOST"),
        ("#!/bin/sh\n", "the program printed nothing", None),
        ("#!/bin/sh\nprintf 'sk-one\\nsk-two\\n'\n", "more than one line", "standard error"),
        ("#!/bin/sh\necho 'you are not currently signed in' >&2\nexit 1\n", "wants a sign-in", "op signin"),
        ("#!/bin/sh\necho 'something new' >&2\nexit 6\n", "1Password refused", "op read"),
    ]:
        environment = places.stand_in(tmp_path, script) if script else {"PATH": str(tmp_path)}
        found = check(tmp_path, "op://Private/OpenAI/credential", environment)
        assert says in found["place"], found
        assert "sk-" not in json.dumps(found), found
        assert helps is None or helps in found["help"], found


def test_a_connect_server_that_refuses_the_token_says_so(tmp_path: pathlib.Path) -> None:
    with contextlib.ExitStack() as stack:
        place = places.Connect(stack)
        found = check(tmp_path, place.reference, {**place.environment, "OP_CONNECT_TOKEN": "wrong"})
        assert "wants a sign-in" in found["place"], found
