"""Say exactly why an LLM API key failed, and keep the program running.

    import keywright
    keywright.install()               # the diagnosis under every uncaught exception of a provider

    client = keywright.OpenAI()       # the official client; a refused key is replaced by the next one

    try:
        client.chat.completions.create(...)
    except openai.AuthenticationError as error:
        print(keywright.diagnose(error))

No key is ever shown, stored or sent anywhere but to its provider.
"""

from __future__ import annotations

import os
import typing

from keywright import _native, _raised, _sdk
from keywright._install import RedactingFilter, install, uninstall
from keywright._native import __version__
from keywright._sdk import UnsupportedSDK
from keywright._values import Alternative, Diagnosis, Evidence, Finding, Fix, Report

if typing.TYPE_CHECKING:
    from keywright._clients import AsyncOpenAI, AuthenticationError, FireworksAI, OpenAI, TogetherAI

__all__ = [
    "Alternative",
    "AsyncOpenAI",
    "AuthenticationError",
    "Diagnosis",
    "Evidence",
    "Finding",
    "FireworksAI",
    "Fix",
    "OpenAI",
    "RedactingFilter",
    "Report",
    "TogetherAI",
    "UnsupportedSDK",
    "__version__",
    "causes",
    "classify",
    "diagnose",
    "doctor",
    "inspect",
    "install",
    "mask",
    "providers",
    "redact",
    "uninstall",
]


def diagnose(
    failure: BaseException | str | bytes | bytearray, *, here: bool = True, provider: str | None = None
) -> Diagnosis | None:
    """Say why a call failed, from its exception or from a text: a trace, a log, an answer.

    `here` lets the variables and `.env` files of this machine tell too. `provider` is the catalogue id of who was
    called, where the address does not say it. None when nothing tells of a failed call.
    """
    if isinstance(failure, BaseException):
        found = _raised.diagnose(failure, here=here, provider=provider)
        return found and found[0]
    if not isinstance(failure, (str, bytes, bytearray)):
        raise TypeError(f"expected an exception or a text, not {type(failure).__name__}")
    text = failure.encode("utf-8", "backslashreplace") if isinstance(failure, str) else failure
    told = _native.explain(text, here)
    return Diagnosis._of(told[0]) if told else None


def classify(provider: str, status: int, body: bytes | bytearray | str, path: str = "") -> Diagnosis | None:
    """Say why a provider refused, from the status and the body that it sent; None when it did not.

    `provider` is a catalogue id such as "openai"; any other raises ValueError. `path` is the request's path at the
    provider: some rules hold for some routes only.
    """
    told = _native.classify(provider, status, body, path)
    return None if told is None else Diagnosis._of(told)


def inspect(key: str, provider: str | None = None) -> list[Finding]:
    """Inspect a value that should be a key, offline. The worst finding comes first; an empty list is a good sign.

    Without a `provider` the shape of the key says whose it is.
    """
    return [Finding._of(found) for found in _native.inspect(key, provider)]


def doctor(
    *names: str,
    live: bool = False,
    strict: bool = False,
    env_files: typing.Iterable[str | os.PathLike[str]] = (),
    config: str | os.PathLike[str] | None = None,
) -> Report:
    """Say what is wrong with the keys of this machine, as `keywright doctor` does.

    `names` are providers and checks to look at; `live` asks the providers too. Wrong arguments, and a configuration
    that cannot be read, raise ValueError.
    """
    arguments = [flag for flag, wanted in (("--live", live), ("--strict", strict)) if wanted]
    for file in env_files:
        arguments += ["--env-file", os.fspath(file)]
    if config is not None:
        arguments += ["--config", os.fspath(config)]
    report, text = _native.doctor([*arguments, "--", *names])
    return Report(status=report["status"], diagnosis=report["diagnosis"], _text=text, _json=report)


def mask(value: str) -> str:
    """Mask a key: its public prefix, "…" and its last four characters. Short values keep less, or nothing."""
    return _native.mask(value)


def redact(text: str) -> str:
    """Put masks in the place of every key in a text: of known kinds by their shape, and those that clients were given."""
    return _native.redact(text)


def causes() -> list[str]:
    """The stable names of all causes."""
    return _native.causes()


def providers() -> list[str]:
    """The ids of the providers in the catalogue."""
    return _native.providers()


_CLIENTS = ("AsyncOpenAI", "AuthenticationError", "FireworksAI", "OpenAI", "TogetherAI")


def __getattr__(name: str) -> typing.Any:
    """The clients are imported when they are asked for: the rest of the package needs no SDK."""
    if name not in _CLIENTS:
        raise AttributeError(f"module 'keywright' has no attribute {name!r}")
    try:
        from keywright import _clients
    except ModuleNotFoundError as error:
        if error.name != "openai":
            raise
        raise _sdk.missing() from None
    return getattr(_clients, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLIENTS})
