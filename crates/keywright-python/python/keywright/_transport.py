"""The transport of Keywright's clients: it asks the ring of keys before and after each attempt, and sends with the one below.

The rules are in Rust (`_native.Ring`). Here is what httpx wants: requests, bodies that are read piece by piece, answers.
"""

from __future__ import annotations

import atexit
import copy
import functools
import hashlib
import importlib
import inspect
import os
import time
import types
import typing
import warnings
import weakref

from keywright import _native

"""What SDKs hold in the place of a key. It never leaves this process: the ring puts a key there for each attempt."""
MARK = "keywright-chooses-the-key"

"""Where an answer carries why the call failed: in the `extensions` of its response."""
WHY = "keywright"


class Keyed:
    """What the transports for threads and for asyncio share."""

    def __init__(self, inner: typing.Any, ring: _native.Ring, origin: Origin, library: types.ModuleType) -> None:
        self.inner, self.ring, self._library = inner, ring, library
        self.origins = {origin}
        """Digests of the keys that were handed out to be sent by other means, such as a WebSocket."""
        self._handed: set[bytes] = set()
        self._process = os.getpid()
        _IN_USE.add(self)

    def key(self) -> str:
        """The key that would serve now."""
        attempts = self.ring.begin("GET", "/", b"", True)
        try:
            step = attempts.step()
        finally:
            attempts.end()
        if step[0] != "send":
            return MARK
        key = str(step[2]).removeprefix("Bearer ")
        self._handed.add(_digest(key))
        return key

    def is_ours(self, credential: str) -> bool:
        """Whether it is the mark, or a key that was handed out."""
        return credential == MARK or _digest(credential) in self._handed

    def concerns(self, request: typing.Any) -> bool:
        """Whether the ring is to give this request its key: it has none of its own, and goes where keys may go."""
        if os.getpid() != self._process:
            self._process, self.inner = os.getpid(), forked(self.inner)
        name, value = self._credential(request)
        if value is None or not self.is_ours(value):
            return False
        if origin_of(request.url) in self.origins:
            return True
        # A redirect, or an address that was put together by hand: no key goes there.
        del request.headers[name]
        return False

    def _credential(self, request: typing.Any) -> tuple[str, str | None]:
        value = request.headers.get("authorization")
        return "authorization", value.removeprefix("Bearer ") if value else None

    def begin(self, request: typing.Any, body: bytes, replayable: bool) -> _native.Attempts:
        return self.ring.begin(request.method, request.url.path, body, replayable)

    def refusal(self, request: typing.Any, step: tuple[typing.Any, ...]) -> typing.Any:
        """The answer when no key is left, in the shape that SDKs know."""
        _, why, status, headers, content = step
        # As bytes: a mask has a character that is none of ASCII's.
        headers = [(name.encode(), value.encode()) for name, value in headers]
        return self._library.Response(status, headers=headers, content=content, request=request, extensions={WHY: why})

    def failure(self, request: typing.Any, response: typing.Any, verdict: tuple[typing.Any, ...]) -> typing.Any:
        """A provider's refusal, in its own words, without any key."""
        _, why, headers, content = verdict
        # As bytes: a mask has a character that is none of ASCII's.
        headers = [(name.encode(), value.encode()) for name, value in headers]
        extensions = {name: value for name, value in response.extensions.items() if name == "http_version"} | {WHY: why}
        return self._library.Response(response.status_code, headers=headers, content=content, request=request, extensions=extensions)

    def readable(self, request: typing.Any, response: typing.Any, stream: typing.Any) -> typing.Any:
        """An answer whose body is read decoded, and a little at a time: a few bytes may hold gigabytes."""
        return self._library.Response(response.status_code, headers=response.headers, stream=stream, request=request)

    @staticmethod
    def forget(request: typing.Any, header: str) -> None:
        """What is raised holds its request, and is printed: the key leaves it when it has been sent."""
        if header:
            request.headers[header] = f"Bearer {MARK}"


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=_SALT).digest()


"""Digests that are seen somewhere tell nothing in another process."""
_SALT = os.urandom(32)

_IN_USE: weakref.WeakSet[Keyed] = weakref.WeakSet()


@atexit.register
def _flush() -> None:
    """Writes what the keys did to the history: the last moments of a program would be forgotten otherwise."""
    for keyed in list(_IN_USE):
        keyed.ring.flush(1.0)


class Origin(typing.NamedTuple):
    """Where keys may go: scheme, host and port."""

    scheme: str
    host: str
    port: int | None


def origin_of(url: typing.Any) -> Origin:
    usual = {"http": 80, "https": 443}
    return Origin(url.scheme, url.host, url.port or usual.get(url.scheme))


def _is_kept(request: typing.Any) -> bool:
    """Whether a body is small enough to be sent twice. One whose length nobody knows is a stream."""
    length = request.headers.get("content-length", "0" if "transfer-encoding" not in request.headers else "")
    return length.isascii() and length.isdigit() and int(length) <= _native.REPLAY_LIMIT


"""How much of an encoded error is decoded at once."""
SLICE = 256


def _slices(piece: bytes) -> typing.Iterator[bytes]:
    return (piece[at : at + SLICE] for at in range(0, len(piece), SLICE))


def _breaks(error: Exception) -> typing.Iterator[bytes]:
    raise error
    yield b""


async def _breaks_later(error: Exception) -> typing.AsyncIterator[bytes]:
    raise error
    yield b""


@functools.cache
def transports(name: str) -> tuple[type, type]:
    """The transports for threads and for asyncio, for httpx or for its successor, whichever the SDK brought."""
    library = importlib.import_module(name)

    class Replayed(library.SyncByteStream):  # type: ignore[misc, name-defined]
        """What was read already, then the rest."""

        def __init__(self, read: list[bytes], rest: typing.Iterator[bytes], stream: typing.Any) -> None:
            self._read, self._rest, self._stream = read, rest, stream

        def __iter__(self) -> typing.Iterator[bytes]:
            yield from self._read
            yield from self._rest

        def close(self) -> None:
            self._stream.close()

    class Sliced(library.SyncByteStream):  # type: ignore[misc, name-defined]
        """A stream in small pieces."""

        def __init__(self, stream: typing.Any) -> None:
            self._stream = stream

        def __iter__(self) -> typing.Iterator[bytes]:
            for piece in self._stream:
                yield from _slices(piece)

    class AsyncSliced(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        """The same, awaited."""

        def __init__(self, stream: typing.Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> typing.AsyncIterator[bytes]:
            async for piece in self._stream:
                for part in _slices(piece):
                    yield part

    class AsyncReplayed(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        """The same, awaited."""

        def __init__(self, read: list[bytes], rest: typing.AsyncIterator[bytes], stream: typing.Any) -> None:
            self._read, self._rest, self._stream = read, rest, stream

        async def __aiter__(self) -> typing.AsyncIterator[bytes]:
            for piece in self._read:
                yield piece
            async for piece in self._rest:
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(Keyed, library.BaseTransport):  # type: ignore[misc, name-defined]
        """For threads."""

        def handle_request(self, request: typing.Any) -> typing.Any:
            if not self.concerns(request):
                return self.inner.handle_request(request)
            kept, header = _is_kept(request), ""
            attempts = self.begin(request, request.read() if kept else b"", kept)
            try:
                while True:
                    step = attempts.step()
                    if step[0] == "wait":
                        time.sleep(step[1])
                    elif step[0] == "read":
                        step[1].read()
                    elif step[0] == "stop":
                        return self.refusal(request, step)
                    else:
                        header, request.headers[step[1]] = step[1], step[2]
                        # Reporters of crashes show the variables of every frame.
                        step = ()
                        response = self.inner.handle_request(request)
                        if (delivered := self._judged(attempts, request, response)) is not None:
                            return delivered
            finally:
                attempts.end()
                self.forget(request, header)

        def _judged(self, attempts: _native.Attempts, request: typing.Any, response: typing.Any) -> typing.Any:
            """The answer if it is the caller's; None for another attempt."""
            stream, read = response.stream, list[bytes]()
            is_error = response.status_code >= 400
            pieces = self.readable(request, response, Sliced(stream)).iter_bytes() if is_error else iter(stream)
            try:
                verdict = attempts.answered(response.status_code, response.headers.multi_items())
                while verdict[0] == "more":
                    try:
                        piece = next(pieces, None)
                    except Exception as error:
                        if not is_error:
                            # It may have run. Raised here, the SDK would send it again; in the stream, the caller is told.
                            pieces = _breaks(error)
                            break
                        # Cut off, or not encoded as it says: its status tells enough.
                        piece = None
                    verdict = attempts.piece(piece)
                    read += [] if piece is None or is_error else [piece]
                if verdict[0] in ("again", "fail"):
                    stream.close()
                    return self.failure(request, response, verdict) if verdict[0] == "fail" else None
            except BaseException:
                stream.close()
                raise
            response.stream = Replayed(read, pieces, stream)
            return response

        def close(self) -> None:
            self.inner.close()

    class AsyncTransport(Keyed, library.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        """For asyncio and trio."""

        async def handle_async_request(self, request: typing.Any) -> typing.Any:
            import anyio
            import anyio.to_thread

            if not self.concerns(request):
                return await self.inner.handle_async_request(request)
            kept, header = _is_kept(request), ""
            attempts = self.begin(request, await request.aread() if kept else b"", kept)
            try:
                while True:
                    step = attempts.step()
                    if step[0] == "wait":
                        await anyio.sleep(step[1])
                    elif step[0] == "read":
                        # A source may be a server; the loop goes on meanwhile, and nobody waits for it who is cancelled.
                        await anyio.to_thread.run_sync(step[1].read, **_abandoned(anyio.to_thread.run_sync))
                    elif step[0] == "stop":
                        return self.refusal(request, step)
                    else:
                        header, request.headers[step[1]] = step[1], step[2]
                        # Reporters of crashes show the variables of every frame.
                        step = ()
                        response = await self.inner.handle_async_request(request)
                        if (delivered := await self._judged(attempts, request, response)) is not None:
                            return delivered
            finally:
                attempts.end()
                self.forget(request, header)

        async def _judged(self, attempts: _native.Attempts, request: typing.Any, response: typing.Any) -> typing.Any:
            stream, read = response.stream, list[bytes]()
            is_error = response.status_code >= 400
            pieces = self.readable(request, response, AsyncSliced(stream)).aiter_bytes() if is_error else aiter(stream)
            try:
                verdict = attempts.answered(response.status_code, response.headers.multi_items())
                while verdict[0] == "more":
                    try:
                        piece = await anext(pieces, None)
                    except Exception as error:
                        if not is_error:
                            # As above.
                            pieces = _breaks_later(error)
                            break
                        piece = None
                    verdict = attempts.piece(piece)
                    read += [] if piece is None or is_error else [piece]
                if verdict[0] in ("again", "fail"):
                    await stream.aclose()
                    return self.failure(request, response, verdict) if verdict[0] == "fail" else None
            except BaseException:
                await stream.aclose()
                raise
            response.stream = AsyncReplayed(read, pieces, stream)
            return response

        async def aclose(self) -> None:
            await self.inner.aclose()

    return Transport, AsyncTransport


def _abandoned(run_sync: typing.Any) -> dict[str, typing.Any]:
    """How anyio is told not to wait for a thread; its versions before 4.1 have another word."""
    name = "abandon_on_cancel" if "abandon_on_cancel" in inspect.signature(run_sync).parameters else "cancellable"
    return {name: True}


# ── Around a client of httpx ─────────────────────────────────────────────────────────────────────────────────────


def keyed_of(client: typing.Any) -> Keyed | None:
    """The transport of ours that a client has."""
    transport = getattr(client, "_transport", None)
    return transport if isinstance(transport, Keyed) else None


def put_around(client: typing.Any, ring: _native.Ring, base_url: typing.Any, *, asynchronous: bool) -> None:
    """Puts the ring around every transport of a client, those of proxies too."""
    name = library_of(type(client))
    make = functools.partial(
        transports(name)[asynchronous], ring=ring, origin=origin_of(importlib.import_module(name).URL(str(base_url))), library=importlib.import_module(name)
    )
    client._transport = make(bare(client._transport))
    client._mounts = {pattern: inner and make(bare(inner)) for pattern, inner in client._mounts.items()}


def around(client: typing.Any) -> typing.Any:
    """A client like this one, with its pool, hooks and cookies. The program's own stays as it is."""
    return copy.copy(client)


def bare(transport: typing.Any) -> typing.Any:
    """Without the ring of another client."""
    return transport.inner if isinstance(transport, Keyed) else transport


def forked(transport: typing.Any) -> typing.Any:
    """The transport of a forked process, without its parent's connections: on those, two would read each other's answers."""
    pool: typing.Any = getattr(transport, "_pool", None)
    if not all(hasattr(pool, name) for name in ("_connections", "_requests", "_optional_thread_lock")):
        # Once: Python shows a warning of one place a single time.
        warnings.warn(_SHARED, RuntimeWarning, stacklevel=1)
        return transport
    transport, pool = copy.copy(transport), copy.copy(pool)
    # A thread of the parent may have held the lock.
    pool._connections, pool._requests, pool._optional_thread_lock = [], [], type(pool._optional_thread_lock)()
    transport._pool = pool
    return transport


_SHARED = (
    "keywright: this process was forked with a client whose transport is not httpx's own. It may share connections with "
    "its parent; make a new client in each process."
)


def library_of(client: type) -> str:
    """`httpx` or `httpx2`: the SDK's own classes and those of programs are derived from theirs."""
    for kind in client.__mro__:
        name = kind.__module__.partition(".")[0]
        if name in ("httpx", "httpx2"):
            return name
    raise TypeError(f"http_client must be a client of httpx, not {client.__name__}")
