"""The official client of OpenAI, on a ring of keys. Every method of it works; other providers speak the same words.

What is decided about keys is decided in Rust; here the SDK is adapted to it.
"""

from __future__ import annotations

import importlib
import typing

import openai

from keywright import _native
from keywright._sdk import check_version
from keywright._transport import MARK, WHY, around, keyed_of, library_of, origin_of, put_around
from keywright._values import Diagnosis

check_version(openai.__version__)


class AuthenticationError(openai.AuthenticationError):
    """No key works: missing, malformed or refused. `diagnosis` says why, and what mends it.

    Raised when a client is made with a key that cannot work, and when a call is refused.
    """

    diagnosis: Diagnosis

    def __init__(self, message: str, *, response: typing.Any, body: object | None, diagnosis: Diagnosis) -> None:
        super().__init__(message, response=response, body=body)
        self.diagnosis = diagnosis
        if hasattr(self, "add_note"):
            self.add_note(f"\n{diagnosis}")


class _OnRing:
    """What both clients add to those of the SDK."""

    _keywright_provider: typing.ClassVar[str] = "openai"
    """The catalogue id of the provider, unless the base URL leads to another one."""
    _keywright_asynchronous: typing.ClassVar[bool] = False

    def _keywright_prepare(
        self, api_key: object, keys: typing.Sequence[str] | None, options: dict[str, typing.Any]
    ) -> tuple[_native.Ring | None, Exception | None]:
        """Finds the keys, and fills in what the SDK is given.

        Returns the ring, None where the SDK has another way to authenticate, and what is to be raised: where it is raised,
        no variable holds the key any more. Reporters of crashes show them all.
        """
        client = options.get("http_client")
        if keyed_of(client) is not None and keys is None and api_key in (None, MARK):
            # `with_options` hands over what this client has.
            options["api_key"] = MARK
            return None, None
        if api_key == MARK:
            return None, TypeError("this is what a client of keywright holds in the place of a key; give the key itself, or use with_options")
        if callable(api_key) or any(options.get(name) is not None for name in _OTHER_WAYS):
            options["api_key"] = api_key
            return None, None
        try:
            api_key = _key(api_key)
        except TypeError as error:
            return None, error.with_traceback(None)
        if client is not None:
            library_of(type(client))
        facts = _native.facts(self._keywright_provider, _text(options.get("base_url")))
        if self._keywright_provider != "openai":
            options["base_url"] = facts["base_url"]
        ring, why = _native.Ring.open(facts["id"], api_key, _references(keys), True, not facts["is_catalogued"])
        if ring is None:
            return None, _refused_at_construction(typing.cast("dict[str, typing.Any]", why), str(facts["base_url"]))
        options["api_key"] = MARK
        if client is not None:
            options["http_client"] = around(client)
        return ring, None

    def _keywright_take(self, ring: _native.Ring | None) -> None:
        client = typing.cast(typing.Any, self)._client
        base_url = typing.cast(typing.Any, self).base_url
        if ring is not None:
            put_around(client, ring, base_url, asynchronous=self._keywright_asynchronous)
        elif (keyed := keyed_of(client)) is not None:
            for transport in (keyed, *filter(None, client._mounts.values())):
                transport.origins.add(origin_of(base_url))

    # What follows is the SDK's; this class stands before it.

    def copy(self, *, api_key: typing.Any = None, http_client: typing.Any = None, **options: typing.Any) -> typing.Any:
        """The SDK's; another `http_client` is put on the ring of this one."""
        keyed = keyed_of(typing.cast(typing.Any, self)._client)
        if http_client is not None and keyed_of(http_client) is None and keyed is not None and api_key in (None, MARK):
            http_client = around(http_client)
            base_url = options.get("base_url") or typing.cast(typing.Any, self).base_url
            put_around(http_client, keyed.ring, base_url, asynchronous=self._keywright_asynchronous)
        return super().copy(api_key=api_key, http_client=http_client, **options)  # type: ignore[misc]

    with_options = copy

    @property
    def auth_headers(self) -> dict[str, str]:
        """WebSockets are opened with these, and nothing of ours is on their way: they hold the key in force."""
        headers: dict[str, str] = super().auth_headers  # type: ignore[misc]
        keyed = keyed_of(getattr(self, "_client", None))
        if keyed is None or headers.get("Authorization") != f"Bearer {MARK}":
            return headers
        return {**headers, "Authorization": f"Bearer {keyed.key()}"}

    @property
    def default_headers(self) -> typing.Any:
        """Older SDKs begin every request with the headers above; the transport puts the key in, later."""
        headers: typing.Any = super().default_headers  # type: ignore[misc]
        keyed = keyed_of(getattr(self, "_client", None))
        value = headers.get("Authorization")
        if keyed is None or not isinstance(value, str) or not keyed.is_ours(value.removeprefix("Bearer ")):
            return headers
        return {**headers, "Authorization": f"Bearer {MARK}"}

    def _make_status_error(self, err_msg: str, *, body: object, response: typing.Any) -> openai.APIStatusError:
        """The SDK's exception, with what is known of its cause."""
        error: openai.APIStatusError = super()._make_status_error(err_msg, body=body, response=response)  # type: ignore[misc]
        why = response.extensions.get(WHY)
        if why is None:
            return error
        diagnosis = Diagnosis._of(why)
        if type(error) is openai.AuthenticationError:
            return AuthenticationError(error.message, response=response, body=error.body, diagnosis=diagnosis)
        error.diagnosis = diagnosis  # type: ignore[attr-defined]
        return error


class OpenAI(_OnRing, openai.OpenAI):
    """`openai.OpenAI` on a ring of keys: a refused one is replaced by the next, and the same call goes on.

    `api_key` is one key. `keys` are references, in order: `env://NAME`, `keyring://openai/backup`, `vault://…`. With
    neither, keys are found as `keywright doctor` shows them: in the environment, `.env`, the keyring, the key vault.
    Everything else is the SDK's.
    """

    def __init__(self, *, api_key: str | typing.Callable[[], str] | None = None, keys: typing.Sequence[str] | None = None, **options: typing.Any) -> None:
        ring, wrong = self._keywright_prepare(api_key, keys, options)
        del api_key
        if wrong is not None:
            raise wrong
        super().__init__(**options)
        self._keywright_take(ring)


class AsyncOpenAI(_OnRing, openai.AsyncOpenAI):
    """`openai.AsyncOpenAI` on a ring of keys, as `OpenAI` is."""

    _keywright_asynchronous = True

    def __init__(
        self,
        *,
        api_key: str | typing.Callable[[], typing.Awaitable[str]] | None = None,
        keys: typing.Sequence[str] | None = None,
        **options: typing.Any,
    ) -> None:
        ring, wrong = self._keywright_prepare(api_key, keys, options)
        del api_key
        if wrong is not None:
            raise wrong
        super().__init__(**options)
        self._keywright_take(ring)


class _Chat:
    """The SDK's `chat`, which can be called with a message too."""

    def __init__(self, client: typing.Any, resource: typing.Any) -> None:
        self._client, self._resource = client, resource

    def __call__(self, message: str, *, model: str | None = None, **options: typing.Any) -> str:
        """Ask one question, and return the answer."""
        _whole(options)
        messages = [{"role": "user", "content": message}]
        answer = self._resource.completions.create(model=model or self._client._keywright_model(), messages=messages, **options)
        return answer.choices[0].message.content or ""

    def __getattr__(self, name: str) -> typing.Any:
        return getattr(self._resource, name)


class _ShortWords(OpenAI):
    """The short calls of the clients that only Keywright has."""

    @property
    def chat(self) -> typing.Any:
        """`chat("Hello")`, and everything that the SDK's `chat` has."""
        return _Chat(self, openai.resources.chat.Chat(self))

    @chat.setter
    def chat(self, _resource: object) -> None:
        """Older SDKs set their resources when a client is made; newer ones make them when they are asked for."""

    def generate(self, prompt: str, *, model: str | None = None, **options: typing.Any) -> str:
        """Continue a prompt, and return what the model adds."""
        _whole(options)
        answer = self.completions.create(model=model or self._keywright_model(), prompt=prompt, **options)
        return str(answer.choices[0].text)

    def _keywright_model(self) -> str:
        return str(_native.facts(self._keywright_provider)["model"])


class FireworksAI(_ShortWords):
    """Fireworks AI through the official client of OpenAI: `FireworksAI().generate(prompt="Hello")`."""

    _keywright_provider = "fireworks"


class TogetherAI(_ShortWords):
    """Together AI through the official client of OpenAI: `TogetherAI().chat("Hello")`."""

    _keywright_provider = "together"


def _whole(options: dict[str, typing.Any]) -> None:
    if options.get("stream"):
        raise TypeError("this call returns the whole text; for pieces of it use client.chat.completions.create(…, stream=True)")


def _key(api_key: object) -> str | None:
    if api_key is None or isinstance(api_key, str):
        # A half character becomes one that no key has either, and that Rust can hold.
        return api_key and api_key.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    hint = "; decode it first: key.decode()" if isinstance(api_key, (bytes, bytearray)) else ""
    raise TypeError(f"api_key must be a str, not {type(api_key).__name__}{hint}")


def _references(keys: object) -> list[str]:
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be a list of references, such as ['env://OPENAI_API_KEY']")
    found = list(keys) if keys is not None else []  # type: ignore[call-overload]
    if keys is not None and not found:
        raise ValueError("keys is empty; without it, keys are found on this machine")
    for reference in found:
        if not isinstance(reference, str):
            raise TypeError(f"a reference must be a str, not {type(reference).__name__}")
    return found


def _text(url: object) -> str | None:
    text = str(url) if isinstance(url, str) or hasattr(url, "scheme") else ""
    return text or None


def _refused_at_construction(why: dict[str, typing.Any], base_url: str) -> AuthenticationError:
    """As if the provider had refused: SDKs' exceptions want a response."""
    library = importlib.import_module(library_of(openai._base_client.SyncHttpxClientWrapper))
    diagnosis = Diagnosis._of(why)
    response = library.Response(401, request=library.Request("GET", base_url), extensions={WHY: why})
    seen = f": {diagnosis.evidence[0].says}" if diagnosis.evidence else ""
    body = {"message": diagnosis.title, "type": "keywright", "code": diagnosis.cause}
    return AuthenticationError(f"{diagnosis.title}{seen}", response=response, body=body, diagnosis=diagnosis)


# In tracebacks they are called as programs import them.
for _public in (AuthenticationError, OpenAI, AsyncOpenAI, FireworksAI, TogetherAI):
    _public.__module__ = "keywright"

"""Options with which the SDK authenticates by other means than a key."""
_OTHER_WAYS = ("workload_identity", "provider")
