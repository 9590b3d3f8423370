"""What an exception knows, whatever library raised it: its chain, the answer behind it, the SDK."""

from __future__ import annotations

import importlib.metadata
import itertools
import sys
import traceback
import types
import typing

from keywright import _native
from keywright._values import Diagnosis

if typing.TYPE_CHECKING:
    from collections.abc import Iterator


def diagnose(exception: BaseException, *, here: bool, provider: str | None = None) -> tuple[Diagnosis, bool] | None:
    """The diagnosis, and whether a call of a model failed. None when nothing in the exception tells of a failed call."""
    known = getattr(exception, "diagnosis", None)
    if isinstance(known, Diagnosis):
        return known, True
    chain = list(_chain(exception))
    answer = next(filter(None, (_answer(link) for link in reversed(chain))), _NO_ANSWER)
    told = _native.explain_raised(
        chain=[(_name(type(link)), _words(link)) for link in chain],
        url=answer.url or next(filter(None, (_url(link) for link in chain)), None),
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        sdk=next(filter(None, (_sdk(link) for link in reversed(chain))), None),
        provider=provider,
        place=_place(exception),
        here=here,
    )
    return None if told is None else (Diagnosis._of(told), told["concerns_a_model"])


class _Answer(typing.NamedTuple):
    status: int | None
    url: str | None
    headers: list[tuple[str, str]]
    body: bytes


_NO_ANSWER = _Answer(None, None, [], b"")

LONGEST_CHAIN = 32
"""Chains can be rings, and messages can be books."""
LONGEST_MESSAGE = 65_536


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """The exceptions as a traceback shows them: what came first first. Of a group, its first leaf too."""
    seen: list[BaseException] = []
    link: BaseException | None = exception
    while link is not None and len(seen) < LONGEST_CHAIN and not any(link is known for known in seen):
        seen.append(link)
        leaves = getattr(link, "exceptions", None)
        if link.__cause__ is not None:
            link = link.__cause__
        elif link.__context__ is not None and not link.__suppress_context__:
            link = link.__context__
        elif isinstance(leaves, tuple) and leaves and isinstance(leaves[0], BaseException):
            link = leaves[0]
        else:
            link = None
    return reversed(seen)


def _answer(exception: BaseException) -> _Answer | None:
    """The HTTP answer that an exception carries: of openai, together, fireworks, httpx, requests, aiohttp."""
    response = _member(exception, "response")
    status = _status(_member(response, "status_code"))
    if status is None and (_member(exception, "request_info") or _member(exception, "llm_provider")):
        # aiohttp and litellm have no answer, but its number.
        status = _status(_member(exception, "status")) or _status(_member(exception, "status_code"))
    return None if status is None else _Answer(status, _url(exception), _headers(response), _body(response, exception))


def _status(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599 else None


def _url(exception: BaseException) -> str | None:
    """The address of the call, as far as anything holds it."""
    response = _member(exception, "response")
    for owner in (_member(exception, "request"), _member(response, "request"), response, _member(exception, "request_info")):
        for name in ("url", "real_url"):
            url = _member(owner, name)
            if url is not None and "://" in (text := _text(url)):
                return text
    return None


def _headers(response: object) -> list[tuple[str, str]]:
    headers = _member(response, "headers")
    try:
        pairs = list(itertools.islice(headers.items(), 200)) if headers is not None else []  # type: ignore[attr-defined]
    except Exception:
        return []
    return [(_text(name), _text(value)) for name, value in pairs]


def _body(response: object, exception: BaseException) -> bytes:
    # A stream that nobody read raises when it is asked.
    content = _member(response, "content")
    if isinstance(content, (bytes, bytearray)) and content:
        return bytes(content[:LONGEST_MESSAGE])
    body = _member(exception, "body")
    if isinstance(body, (dict, list)):
        import json

        try:
            # openai-python hands over what stands inside of `error`.
            whole = body if not isinstance(body, dict) or "error" in body else {"error": body}
            return json.dumps(whole).encode()[:LONGEST_MESSAGE]
        except (TypeError, ValueError):
            return b""
    return _text(body)[:LONGEST_MESSAGE].encode() if isinstance(body, (str, bytes)) else b""


def _sdk(exception: BaseException) -> str | None:
    """The library that defines the class, with its version: `openai 2.54.0`."""
    package = type(exception).__module__.partition(".")[0]
    if not package or package in sys.stdlib_module_names or package == "__main__":
        return None
    distribution = {"fireworks": "fireworks-ai"}.get(package, package)
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except Exception:
        return None


def _place(exception: BaseException) -> str:
    """The line of the program that made the call: the last frame that is no library's."""
    own: str | None = None
    for frame, line in traceback.walk_tb(exception.__traceback__):
        if not _is_library(frame):
            own = f"{frame.f_code.co_filename}:{line}"
    return _text(own or _name(type(exception)))


def _is_library(frame: types.FrameType) -> bool:
    name, path = frame.f_globals.get("__name__", ""), frame.f_code.co_filename
    top = str(name).partition(".")[0]
    return "site-packages" in path or path.startswith("<frozen") or top in sys.stdlib_module_names or top == "keywright"


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{_module(kind)}.{kind.__qualname__}"


def _module(kind: type[BaseException]) -> str:
    """The module that people import a class from: SDKs keep theirs in private ones."""
    return _text(kind.__module__).partition("._")[0]


def _words(exception: BaseException) -> str:
    try:
        return _text(str(exception))[:LONGEST_MESSAGE]
    except Exception:
        return ""


def _member(owner: object, name: str) -> object:
    """An attribute of something foreign, whose properties may do anything."""
    try:
        return getattr(owner, name, None)
    except Exception:
        return None


def _text(value: object) -> str:
    """A text that Rust can hold: half characters are written out."""
    try:
        text = value.decode(errors="replace") if isinstance(value, (bytes, bytearray)) else str(value)
    except Exception:
        return ""
    return half_written(text)


def half_written(text: str) -> str:
    """The text with half characters, which no UTF-8 holds, written out."""
    return text.encode("utf-8", "backslashreplace").decode()
