"""Stores beyond this machine: moto for AWS, and strict stand-ins where no real server can be had."""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import ipaddress
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import typing
import urllib.error
import urllib.parse
import urllib.request

import harness
import places
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

Answer = tuple[int, object]


class Asked(typing.NamedTuple):
    """What a stand-in was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: typing.Any
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(urllib.parse.parse_qsl(self.body.decode()))


def stand_in_server(stack: contextlib.ExitStack, answer: typing.Callable[[Asked], Answer], tls: ssl.SSLContext | None = None) -> str:
    """A server that answers as the function says; its address without the scheme."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)), self.headers, body)
            status, content = answer(asked)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"127.0.0.1:{server.server_port}"


# ── AWS ──────────────────────────────────────────────────────────────────────────────────────────────────────────

AWS_KEYS = {"AWS_ACCESS_KEY_ID": "AKIDOFTHISTEST", "AWS_SECRET_ACCESS_KEY": "secret/of+this=test"}
REGION = "eu-central-1"


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """Secrets Manager, Parameter Store and STS of moto."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = f"http://127.0.0.1:{port}"
    try:
        harness.eventually(lambda: _answers(f"{server}/moto-api/"), "moto answers")
        yield server
    finally:
        places.end(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=harness.DEADLINE_SECONDS):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def checked_by_botocore(stack: contextlib.ExitStack, server: str) -> str:
    """A door to moto, which takes any signature: AWS's own library signs the request again, and the two must agree."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials

    def answer(asked: Asked) -> Answer:
        credential, signed, signature = (part.split("=", 1)[1] for part in asked.headers["authorization"].split(" ", 1)[1].split(", "))
        identity, _, region, service, _ = credential.split("/")
        headers = {name: asked.headers[name] for name in signed.split(";")}
        request = botocore.awsrequest.AWSRequest("POST", f"http://{asked.headers['host']}{asked.path}", headers, asked.body)
        request.context["timestamp"] = headers["x-amz-date"]
        keys = botocore.credentials.Credentials(identity, AWS_KEYS["AWS_SECRET_ACCESS_KEY"])
        auth = botocore.auth.SigV4Auth(keys, service, region)
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if signature != expected or identity != AWS_KEYS["AWS_ACCESS_KEY_ID"]:
            return 403, {"__type": "InvalidSignatureException"}
        passed = {name: asked.headers[name] for name in ("authorization", "x-amz-target", "x-amz-date", "content-type")}
        try:
            with urllib.request.urlopen(urllib.request.Request(server, asked.body, passed), timeout=harness.DEADLINE_SECONDS) as found:
                return found.status, found.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    return f"http://{stand_in_server(stack, answer)}"


class AwsSecret(places.Place):
    """A field of a secret of Secrets Manager."""

    def __init__(self, server: str, door: str, name: str) -> None:
        self.client = aws_client("secretsmanager", server)
        self.name = name
        self.reference = f"aws-sm://{name}#openai"
        self.environment = {**AWS_KEYS, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": door}

    def put(self, key: str) -> None:
        content = json.dumps({"openai": key, "note": "not a key"})
        try:
            self.client.create_secret(Name=self.name, SecretString=content)
        except self.client.exceptions.ResourceExistsException:
            self.client.put_secret_value(SecretId=self.name, SecretString=content)


class AwsContainer(AwsSecret):
    """The same in a task of ECS or a pod of EKS: a service beside the program hands out the credentials of its role."""

    TOKEN = "token of the pod"

    def __init__(self, stack: contextlib.ExitStack, server: str, door: str, folder: pathlib.Path) -> None:
        super().__init__(server, door, folder.name)
        (folder / "token").write_text(f"{self.TOKEN}\n")
        beside = stand_in_server(stack, self.credentials)
        self.environment = {
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": door,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{beside}/v1/credentials?role=reader",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "token"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def credentials(self, asked: Asked) -> Answer:
        if asked.headers["authorization"] != self.TOKEN:
            return 401, {"code": "Unauthorized"}
        assert (asked.method, asked.path, asked.query) == ("GET", "/v1/credentials", {"role": "reader"})
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
        return 200, {
            "AccessKeyId": AWS_KEYS["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": AWS_KEYS["AWS_SECRET_ACCESS_KEY"],
            "Token": "session-token-of-the-role",
            "AccountId": "123456789012",
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class AwsParameter(places.Place):
    """An encrypted parameter of Parameter Store."""

    def __init__(self, server: str, door: str, name: str) -> None:
        self.client = aws_client("ssm", server)
        self.name = name
        self.reference = f"aws-ps://{name}?region={REGION}"
        self.environment = {**AWS_KEYS, "AWS_ENDPOINT_URL_SSM": door}

    def put(self, key: str) -> None:
        self.client.put_parameter(Name=self.name, Value=key, Type="SecureString", Overwrite=True)


def aws_client(service: str, server: str) -> typing.Any:
    import boto3

    return boto3.client(service, endpoint_url=server, region_name=REGION, aws_access_key_id="any", aws_secret_access_key="any")


# ── Google ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Google(places.Place):
    """A stand-in for Secret Manager and the token server: it checks the signature of the service account."""

    EMAIL = "reader@project.iam.gserviceaccount.com"

    def __init__(self, stack: contextlib.ExitStack, folder: pathlib.Path) -> None:
        self.key: str | None = None
        self.tokens: list[str] = []
        self.private = rsa.generate_private_key(65537, 2048)
        self.server = f"http://{stand_in_server(stack, self.answer)}"
        file = folder / "service-account.json"
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "client_email": self.EMAIL,
                    "private_key_id": "k1",
                    "private_key": pem.decode(),
                    "token_uri": f"{self.server}/token",
                }
            )
        )
        self.reference = "gcp-sm://project/llm-key#openai"
        self.environment = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(file),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{self.server}/",
        }

    def answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("POST", "/token"):
            return self.token(asked.form)
        if asked.headers["authorization"] != f"Bearer {self.tokens[-1] if self.tokens else None}":
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
        if self.key is None or asked.path != "/v1/projects/project/secrets/llm-key/versions/latest:access":
            return 404, {"error": {"code": 404, "status": "NOT_FOUND"}}
        data = base64.b64encode(json.dumps({"openai": self.key}).encode()).decode()
        return 200, {"name": "projects/1/secrets/llm-key/versions/1", "payload": {"data": data}}

    def token(self, form: dict[str, str]) -> Answer:
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", form
        head, claims, signature = form["assertion"].split(".")
        unpacked = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))  # noqa: E731
        self.private.public_key().verify(unpacked(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        said = json.loads(unpacked(claims))
        assert json.loads(unpacked(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        assert (said["iss"], said["aud"]) == (self.EMAIL, f"{self.server}/token")
        assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform" and said["exp"] - said["iat"] == 3600
        self.tokens.append(f"google-token-{len(self.tokens)}")
        return 200, {"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"}

    def put(self, key: str) -> None:
        self.key = key
        # What was handed out before has ended: the next read must log in again.
        self.tokens.append("ended")


class GoogleUser(Google):
    """The same for a person: the file that `gcloud auth application-default login` writes."""

    USER: typing.ClassVar[dict[str, str]] = {
        "client_id": "app.apps.googleusercontent.com",
        "client_secret": "secret of the app",
        "refresh_token": "1//refresh-token",
    }

    def __init__(self, stack: contextlib.ExitStack, folder: pathlib.Path) -> None:
        super().__init__(stack, folder)
        settings = folder / "gcloud"
        settings.mkdir()
        file = settings / "application_default_credentials.json"
        file.write_text(json.dumps({"type": "authorized_user", "token_uri": f"{self.server}/token", **self.USER}))
        del self.environment["GOOGLE_APPLICATION_CREDENTIALS"]
        self.environment["CLOUDSDK_CONFIG"] = str(settings)

    def token(self, form: dict[str, str]) -> Answer:
        if form != {"grant_type": "refresh_token", **self.USER}:
            return 400, {"error": "invalid_grant"}
        self.tokens.append(f"google-token-{len(self.tokens)}")
        return 200, {"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"}


class GoogleMachine(Google):
    """The same on a machine of Google's cloud: its metadata server hands out the token of its account."""

    PATH = "/computeMetadata/v1/instance/service-accounts/default/token"

    def __init__(self, stack: contextlib.ExitStack, folder: pathlib.Path) -> None:
        super().__init__(stack, folder)
        del self.environment["GOOGLE_APPLICATION_CREDENTIALS"]
        self.environment["GCE_METADATA_HOST"] = self.server.removeprefix("http://")

    def answer(self, asked: Asked) -> Answer:
        if asked.path != self.PATH:
            return super().answer(asked)
        # The real one refuses whoever does not say that it knows whom it asks, and whoever was sent on by a proxy.
        if asked.headers["metadata-flavor"] != "Google" or "x-forwarded-for" in asked.headers:
            return 403, b"Forbidden"
        self.tokens.append(f"google-token-{len(self.tokens)}")
        return 200, {"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"}


# ── Azure ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Azure(places.Place):
    """A stand-in for Key Vault and the login of Azure, for an app with a secret."""

    PROOF: typing.ClassVar[dict[str, str]] = {"client_secret": "secret of the app"}

    def __init__(self, stack: contextlib.ExitStack, folder: pathlib.Path) -> None:
        self.key: str | None = None
        self.server = f"http://{stand_in_server(stack, self.answer)}"
        self.reference = "azure-kv://team-vault/llm-key"
        self.environment = {
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_ID": "app",
            "AZURE_AUTHORITY_HOST": self.server,
            "KEYWRIGHT_AZURE_VAULT_URL": self.server,
            **self.proof(folder),
        }

    def proof(self, _: pathlib.Path) -> dict[str, str]:
        return {"AZURE_CLIENT_SECRET": "secret of the app"}

    def answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("POST", "/tenant/oauth2/v2.0/token"):
            common = {"grant_type": "client_credentials", "client_id": "app", "scope": "https://vault.azure.net/.default"}
            if asked.form != {**common, **self.PROOF}:
                return 401, {"error": "invalid_client"}
            return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": "azure-token"}
        if asked.headers["authorization"] != "Bearer azure-token":
            return 401, {"error": {"code": "Unauthorized"}}
        if self.key is None or (asked.path, asked.query) != ("/secrets/llm-key", {"api-version": "7.4"}):
            return 404, {"error": {"code": "SecretNotFound"}}
        return 200, {"value": self.key, "id": f"{self.server}/secrets/llm-key/1", "attributes": {"enabled": True}}

    def put(self, key: str) -> None:
        self.key = key


class AzureFederated(Azure):
    """The same with a token that a cluster or a pipeline signed."""

    PROOF: typing.ClassVar[dict[str, str]] = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "a.signed.token",
    }

    def proof(self, folder: pathlib.Path) -> dict[str, str]:
        (folder / "federated").write_text("a.signed.token\n")
        return {"AZURE_FEDERATED_TOKEN_FILE": str(folder / "federated")}


class AzureManaged(Azure):
    """The same on a machine with an identity of its own."""

    def proof(self, _: pathlib.Path) -> dict[str, str]:
        return {"AZURE_TENANT_ID": "", "AZURE_POD_IDENTITY_AUTHORITY_HOST": self.server}

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/metadata/identity/oauth2/token":
            wanted = {"api-version": "2018-02-01", "resource": "https://vault.azure.net", "client_id": "app"}
            assert (asked.headers["metadata"], asked.query) == ("true", wanted)
            return 200, {"access_token": "azure-token", "expires_in": "86399", "token_type": "Bearer"}
        return super().answer(asked)


# ── Kubernetes ───────────────────────────────────────────────────────────────────────────────────────────────────


class Kubernetes(places.Place):
    """A stand-in for a cluster's API server, as a pod sees it: over TLS with the cluster's own certificate."""

    def __init__(self, stack: contextlib.ExitStack, folder: pathlib.Path) -> None:
        self.key: str | None = None
        account = folder / "serviceaccount"
        account.mkdir()
        host, port = stand_in_server(stack, self.answer, certificate(account)).split(":")
        (account / "token").write_text("token of the pod")
        self.reference = "k8s://apps/llm#openai"
        self.environment = {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KEYWRIGHT_SERVICE_ACCOUNT": str(account),
        }

    def answer(self, asked: Asked) -> Answer:
        if asked.headers["authorization"] != "Bearer token of the pod":
            return 401, {"kind": "Status", "reason": "Unauthorized"}
        if asked.path != "/api/v1/namespaces/apps/secrets/llm":
            return 403, {"kind": "Status", "reason": "Forbidden"}
        return (200, secret(self.key)) if self.key else (404, {"kind": "Status", "reason": "NotFound"})

    def put(self, key: str) -> None:
        self.key = key


def secret(key: str) -> dict[str, object]:
    data = {"openai": base64.b64encode(f"{key}\n".encode()).decode(), "binary": base64.b64encode(b"\xff").decode()}
    return {"kind": "Secret", "metadata": {"name": "llm", "namespace": "apps"}, "data": data}


class Kubectl(places.File):
    """A stand-in for `kubectl`, which answers as the real one does."""

    SCRIPT = """#!/bin/sh
[ "$*" = "get secret --output=json --request-timeout=8s --namespace=apps -- llm" ] || exit 9
[ -e "STORED" ] || { echo 'Error from server (NotFound): secrets "llm" not found' >&2; exit 1; }
cat "STORED"
"""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self.path = folder / "stored"
        self.reference = "k8s://apps/llm#openai"
        self.environment = places.stand_in(folder, self.SCRIPT.replace("STORED", str(self.path)), "kubectl")

    def put(self, key: str) -> None:
        self.write(json.dumps(secret(key)).encode())


def certificate(folder: pathlib.Path) -> ssl.SSLContext:
    """A server's TLS, and `ca.crt` with what its callers must trust."""
    private = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.crt").write_bytes(pem)
    key = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(key + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
