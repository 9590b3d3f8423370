"""What differs between the SDKs: how a client is made and what its calls are named. The scenarios know none of it."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import typing


class Adapter:
    """One SDK, unmodified. Retries are off: what survives, survives because of the gateway."""

    distribution: str
    module: str
    provider: str
    model: str
    embedding_model: str | None = None
    sync_client: str
    async_client: str
    path: str

    def __init__(self) -> None:
        self.sdk = importlib.import_module(self.module)
        self.version = importlib.metadata.version(self.distribution)
        self.major = int(self.version.partition(".")[0])

    def client(self, gateway_url: str, credential: str) -> typing.Any:
        return getattr(self.sdk, self.sync_client)(**self._options(gateway_url, credential))

    def concurrent_client(self, gateway_url: str, credential: str) -> typing.Any:
        return getattr(self.sdk, self.async_client)(**self._options(gateway_url, credential))

    def _options(self, gateway_url: str, credential: str) -> dict[str, typing.Any]:
        return {"api_key": credential, "base_url": gateway_url + self.path, "max_retries": 0, "timeout": 60}

    def chat(self, client: typing.Any) -> typing.Any:
        """A call, or the promise of one when the client is concurrent."""
        return client.chat.completions.create(model=self.model, messages=MESSAGES)

    def chat_stream(self, client: typing.Any) -> typing.Any:
        return client.chat.completions.create(model=self.model, messages=MESSAGES, stream=True)

    def embeddings(self, client: typing.Any) -> list[float]:
        return client.embeddings.create(model=self.embedding_model, input="a sentence").data[0].embedding

    def upload(self, client: typing.Any, content: bytes) -> None:
        """Uploads as multipart and checks what the provider says it got."""
        raise NotImplementedError


class OpenAI(Adapter):
    distribution = module = provider = "openai"
    model = "gpt-4o-mini"
    embedding_model = "text-embedding-3-small"
    sync_client, async_client = "OpenAI", "AsyncOpenAI"
    path = "/openai/v1"

    def upload(self, client: typing.Any, content: bytes) -> None:
        file = client.files.create(file=("data.jsonl", io.BytesIO(content)), purpose="fine-tune")
        assert file.bytes == len(content)


class Together(Adapter):
    distribution = module = provider = "together"
    model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    embedding_model = "togethercomputer/m2-bert-80M-8k-retrieval"
    sync_client, async_client = "Together", "AsyncTogether"

    @property
    def path(self) -> str:
        return "/together/v1" if self.major < 3 else "/together"

    def upload(self, client: typing.Any, content: bytes) -> None:
        answer = client.audio.transcriptions.create(model="openai/whisper-large-v3", file=("speech.wav", io.BytesIO(content)))
        assert answer.text


class Fireworks(Adapter):
    distribution, module, provider = "fireworks-ai", "fireworks", "fireworks"
    model = "accounts/fireworks/models/llama-v3p3-70b-instruct"
    sync_client, async_client = "Fireworks", "AsyncFireworks"
    path = "/fireworks"

    def upload(self, client: typing.Any, content: bytes) -> None:
        # The SDK has no method for this route; this is its own way to call such routes.
        answer = client.post(
            "/inference/v1/audio/transcriptions",
            cast_to=object,
            body={"model": "whisper-v3"},
            files={"file": ("speech.wav", io.BytesIO(content))},
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
        assert answer["text"]


MESSAGES = [{"role": "user", "content": "Say hello."}]


def installed() -> Adapter:
    """The SDK of this environment; each environment has one."""
    for kind in (OpenAI, Together, Fireworks):
        try:
            return kind()
        except importlib.metadata.PackageNotFoundError:
            continue
        except ModuleNotFoundError:
            continue
    raise LookupError("no SDK is installed in this environment")
