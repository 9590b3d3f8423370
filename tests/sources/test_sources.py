"""Every source against the real thing: a key is found there, a miss says why, a rotated key is met without a restart."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import typing

import clouds
import harness
import places

CHAT = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def serve(emulator: harness.Emulator, *held: places.Place) -> harness.Gateway:
    references = [place.reference for place in held]
    environment = {name: value for place in held for name, value in place.environment.items()}
    configuration = harness.configuration(emulator.url, {"openai": references})
    added = "".join(place.configuration for place in held)
    return harness.Gateway(configuration + added, environment, with_helpers=bool(added))


def chat(gateway: harness.Gateway) -> harness.Answer:
    headers = {"content-type": "application/json"}
    return harness.request(gateway.url, "POST", "/openai/v1/chat/completions", headers=headers, body=CHAT)


def check(
    tmp_path: pathlib.Path, reference: str, environment: typing.Mapping[str, str], configuration: str = ""
) -> dict[str, typing.Any]:
    """What `serve --check` says of one key."""
    file = tmp_path / "keywright.toml"
    file.write_text(harness.configuration("http://127.0.0.1:9", {"openai": [reference]}) + configuration)
    if configuration:
        harness.allow(file, str(tmp_path))
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
    found = check(tmp_path, place.reference, place.environment, place.configuration)
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
        places.Helper: "the program ended with status 1",
        clouds.AwsSecret: "not set",
        clouds.AwsContainer: "not set",
        clouds.AwsParameter: "not set",
        clouds.Google: "not set",
        clouds.GoogleUser: "not set",
        clouds.GoogleMachine: "not set",
        clouds.Azure: "not set",
        clouds.AzureFederated: "not set",
        clouds.AzureManaged: "not set",
        clouds.Kubernetes: "not set",
        clouds.Kubectl: "not set",
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
        (f"age://{tmp_path}/plain.age#openai", place.environment, "it is not an age file", "Name a file that age wrote"),
        (f"age://{tmp_path}/cut.age#openai", place.environment, "it is damaged", "Take it from a backup"),
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
        ("secret/troubles#openai", address | {"VAULT_TOKEN": "wrong"}, "403: the token is not valid, or no longer", "Log in again"),
        ("secret/troubles#openai", address | role, "403: the token's policies do not allow this path", "vault token capabilities"),
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


HELPERS = {
    "hangs": (["sh", "-c", "sleep 1000"], "no answer within 1 s", None),
    "prints nothing": (["true"], "the program printed nothing", "Run it yourself"),
    "prints two lines": (["printf", "sk-one\\nsk-two\\n"], "more than one line", "standard error"),
    "exits 1, with the key on stderr": (["sh", "-c", "echo sk-one >&2; exit 1"], "ended with status 1", "Run it yourself"),
    "is not executable": (["/etc/hostname"], "not executable", "chmod +x"),
    "is not there": (["./nosuch"], "there is no such program", "PATH"),
}


def test_each_trouble_with_a_helper_has_its_words(tmp_path: pathlib.Path) -> None:
    for argv, says, helps in HELPERS.values():
        limit = "[sources]\ntimeout_ms = 1000\n" if argv[-1] == "sleep 1000" else ""
        found = check(tmp_path, "cmd://print", {}, f"{limit}[helper]\nprint = {json.dumps(argv)}\n")
        assert says in found["place"], found
        assert "sk-" not in json.dumps(found), found
        assert helps is None or helps in found["help"], found


def test_each_trouble_with_a_cloud_has_its_words(tmp_path: pathlib.Path) -> None:
    aws, google = "aws-sm://llm#openai", "gcp-sm://project/llm"
    azure, token = "azure-kv://team/llm", {"access_token": "t", "expires_in": 60}
    secret = {"SecretString": json.dumps({"anthropic": "sk-one"})}
    for reference, status, body, says, helps in [
        (aws, 400, {"__type": "ExpiredTokenException"}, "the credentials for AWS have expired", "get-caller-identity"),
        (aws, 400, {"__type": "com.amazon#UnrecognizedClientException"}, "AWS refused the credentials", "get-caller-identity"),
        (aws, 400, {"__type": "AccessDeniedException"}, "AWS does not allow", "secretsmanager:GetSecretValue"),
        (aws, 400, {"__type": "ThrottlingException"}, "AWS asks for fewer questions", "more slowly"),
        (aws, 500, {}, "AWS answered 500", None),
        (aws, 200, secret, "the secret has no such field", "names of its fields"),
        (aws, 200, {"SecretString": "sk-one"}, "not JSON", None),
        (aws, 200, {"SecretString": "[1]"}, "JSON without fields", None),
        (google, 403, {}, "Google Cloud does not allow", "secretAccessor"),
        (google, 429, {}, "Google Cloud asks for fewer questions", None),
        (google, 401, {}, "Google Cloud refused the credentials", "service account"),
        (azure, 403, token, "there are no credentials for Azure", "AZURE_CLIENT_ID"),
        (azure, 200, token, "not set", None),
    ]:
        with contextlib.ExitStack() as stack:
            url = f"http://{clouds.stand_in_server(stack, lambda _: (status, body))}"
            environment = {
                **clouds.AWS_KEYS,
                "AWS_REGION": clouds.REGION,
                "AWS_ENDPOINT_URL": url,
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": url,
                "CLOUDSDK_AUTH_ACCESS_TOKEN": "ended",
                "KEYWRIGHT_AZURE_VAULT_URL": url,
                "AZURE_POD_IDENTITY_AUTHORITY_HOST": url,
            }
            found = check(tmp_path, reference, environment)
        assert says in found["place"], found
        assert "sk-one" not in json.dumps(found) and "secret/of" not in json.dumps(found), found
        assert helps is None or helps in found["help"], found


def test_what_is_not_set_for_a_cloud_is_named(tmp_path: pathlib.Path) -> None:
    nobody = {"AWS_EC2_METADATA_DISABLED": "true", "GCE_METADATA_HOST": "127.0.0.1:1", "PATH": str(tmp_path)}
    nobody["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:1"
    (tmp_path / "broken.json").write_text('{"type": "service_account", "client_email": "a", "private_key": "sk-one"}')
    broken = nobody | {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "broken.json")}
    for reference, environment, says, helps in [
        ("aws-sm://llm", nobody, "no AWS region is set", "AWS_REGION"),
        ("aws-sm://llm?region=eu-west-1", nobody, "there are no credentials for AWS", "AWS_ACCESS_KEY_ID"),
        ("gcp-sm://project/llm", nobody, "there are no credentials for Google Cloud", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("gcp-sm://project/llm", broken, "the credentials for Google Cloud cannot be used", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("azure-kv://team/llm", nobody, "there are no credentials for Azure", "AZURE_CLIENT_ID"),
        ("k8s://apps/llm#openai", nobody, "there are no credentials for Kubernetes", "kubectl"),
    ]:
        found = check(tmp_path, reference, environment)
        assert says in found["place"] and helps in found["help"], found
        assert "sk-one" not in json.dumps(found), found


def test_a_store_that_cannot_be_reached_says_so(tmp_path: pathlib.Path) -> None:
    nowhere = "http://127.0.0.1:1"
    for reference, environment in [
        ("aws-sm://llm", {**clouds.AWS_KEYS, "AWS_REGION": clouds.REGION, "AWS_ENDPOINT_URL": nowhere}),
        ("gcp-sm://p/llm", {"CLOUDSDK_AUTH_ACCESS_TOKEN": "t", "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": nowhere}),
        ("vault://secret/llm#openai", {"VAULT_ADDR": nowhere, "VAULT_TOKEN": "t"}),
        ("op://Private/OpenAI/credential", {"OP_CONNECT_HOST": nowhere, "OP_CONNECT_TOKEN": "t"}),
    ]:
        found = check(tmp_path, reference, environment)
        assert "cannot be reached [network]" in found["place"], found


def test_a_role_gives_temporary_credentials(moto_server: str, tmp_path: pathlib.Path, emulator: harness.Emulator) -> None:
    """A token of a cluster is exchanged at STS, and the machine's own role is asked of its metadata service."""
    place = clouds.AwsSecret(moto_server, moto_server, tmp_path.name)
    place.put(emulator.key("openai"))
    (tmp_path / "token").write_text("a.signed.token")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader"}
    role = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
    asked: list[str] = []

    def metadata(question: clouds.Asked) -> clouds.Answer:
        asked.append(f"{question.method} {question.path}")
        if question.method == "PUT":
            return 200, b"session"
        assert question.headers["x-aws-ec2-metadata-token"] == "session"
        return (200, b"reader\n") if question.path.endswith("/") else (200, role)

    with contextlib.ExitStack() as stack:
        machine = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{clouds.stand_in_server(stack, metadata)}"}
        for credentials in (web, machine):
            place.environment = {"AWS_REGION": clouds.REGION, "AWS_ENDPOINT_URL": moto_server, **credentials}
            with serve(emulator, place) as gateway:
                assert chat(gateway).status == 200, gateway.output()
    roles = "/latest/meta-data/iam/security-credentials/"
    assert asked == ["PUT /latest/api/token", f"GET {roles}", f"GET {roles}reader"]


def test_a_secret_with_several_fields_is_read_once(emulator: harness.Emulator) -> None:
    asked: list[str] = []
    keys = {name: emulator.key("openai") for name in ("first", "second", "third")}

    def answer(question: clouds.Asked) -> clouds.Answer:
        asked.append(question.headers["x-amz-target"])
        return 200, {"SecretString": json.dumps(keys)}

    with contextlib.ExitStack() as stack:
        url = f"http://{clouds.stand_in_server(stack, answer)}"
        environment = {**clouds.AWS_KEYS, "AWS_REGION": clouds.REGION, "AWS_ENDPOINT_URL": url}
        references = [f"aws-sm://llm#{name}" for name in keys]
        with harness.Gateway(harness.configuration(emulator.url, {"openai": references}), environment) as gateway:
            assert chat(gateway).status == 200
            # The report before the start, and three keys: one question.
            assert asked == ["secretsmanager.GetSecretValue"]
            gateway.reload()
            harness.eventually(lambda: len(asked) == 2, "a reload asks again")


def test_an_active_key_is_polled(emulator: harness.Emulator, tmp_path: pathlib.Path) -> None:
    old, new = emulator.key("openai"), emulator.key("openai")
    place = places.Helper(tmp_path)
    place.put(old)
    place.configuration += "[sources]\npoll_seconds = 1\n"
    with serve(emulator, place) as gateway:
        assert chat(gateway).status == 200
        place.put(new)
        harness.eventually(lambda: chat(gateway).status == 200 and emulator.calls("openai", new).get(200), "the new key serves")
        assert emulator.calls("openai", old).keys() == {200}
