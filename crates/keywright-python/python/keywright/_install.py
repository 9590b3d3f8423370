"""Puts the diagnosis under uncaught exceptions of providers, and masks keys in what is printed and logged.

Whatever was hooked before stays hooked and runs first; nothing here hides or replaces a traceback.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import sys
import threading
import types
import typing

from keywright import _native, _raised
from keywright._redacting import RedactingFilter, Stream, clean, redact

__all__ = ["RedactingFilter", "install", "uninstall"]


def install() -> None:
    """Add the diagnosis under every uncaught exception of a provider, and mask keys in tracebacks and log records.

    Scripts, threads, asyncio, finalisers, IPython and Jupyter are covered. Hooks that were there before stay. A second
    call changes nothing; `uninstall()` takes everything back.
    """
    with contextlib.suppress(Exception):
        # Keys of no known shape are masked too, if they stand where keys are looked for.
        _native.learn_here()
    with _LOCK:
        for hook in _HOOKS:
            hook.put()
        for handler in _handlers():
            if not any(isinstance(known, _OwnFilter) for known in handler.filters):
                handler.addFilter(_OwnFilter())


def uninstall() -> None:
    """Take back what `install()` did. A hook that someone put over ours stays, and ours passes everything on."""
    with _LOCK:
        for hook in reversed(_HOOKS):
            hook.take_back()
        for handler in _handlers():
            for known in [known for known in handler.filters if isinstance(known, _OwnFilter)]:
                handler.removeFilter(known)


def _handlers() -> list[logging.Handler]:
    """Where records go that no logger of their own takes."""
    return [handler for handler in [*logging.getLogger().handlers, logging.lastResort] if handler is not None]


class _OwnFilter(RedactingFilter):
    """The one that `install` adds, to be told from those of the program."""


class _Hook:
    """One place that takes a function, and how ours comes around the one before."""

    def __init__(
        self,
        owner: typing.Callable[[], typing.Any],
        name: str,
        around: typing.Callable[..., typing.Any],
    ) -> None:
        self._owner, self._name, self._around = owner, name, around
        self._put: list[tuple[typing.Any, typing.Any, typing.Any]] = []
        self.active = False

    def put(self) -> None:
        owner = self._owner()
        if owner is None or any(known is owner for known, _, _ in self._put):
            self.active = True
            return
        former = getattr(owner, self._name)

        @functools.wraps(former)
        def ours(*arguments: typing.Any, **named: typing.Any) -> typing.Any:
            if not self.active:
                return former(*arguments, **named)
            return self._around(former, *arguments, **named)

        self._put.append((owner, former, ours))
        self.active = True
        setattr(owner, self._name, ours)

    def take_back(self) -> None:
        self.active = False
        # Somebody may stand on ours; then it stays, and passes everything on.
        kept = []
        for owner, former, ours in self._put:
            if getattr(owner, self._name, None) is ours or vars(owner).get(self._name) is ours:
                _put_back(owner, self._name, former)
            else:
                kept.append((owner, former, ours))
        self._put = kept


def _put_back(owner: typing.Any, name: str, former: typing.Any) -> None:
    # What an object had from its class is not to become its own.
    if isinstance(former, types.MethodType) and former.__self__ is owner:
        delattr(owner, name)
    else:
        setattr(owner, name, former)


# ── What is around each hook ─────────────────────────────────────────────────────────────────────────────────────


def _around_excepthook(former: typing.Any, kind: typing.Any, value: typing.Any, trace: typing.Any) -> None:
    with _redacted_stderr():
        try:
            former(kind, value, trace)
        finally:
            _tell(value)


def _around_thread(former: typing.Any, arguments: typing.Any) -> None:
    with _redacted_stderr():
        try:
            former(arguments)
        finally:
            _tell(arguments.exc_value)


_around_unraisable = _around_thread


def _around_loop(former: typing.Any, loop: typing.Any, context: dict[str, typing.Any]) -> None:
    with _redacted_stderr():
        try:
            former(loop, context)
        finally:
            _tell(context.get("exception"))


def _around_record(former: typing.Any, *arguments: typing.Any, **named: typing.Any) -> logging.LogRecord:
    record: logging.LogRecord = former(*arguments, **named)
    with contextlib.suppress(Exception):
        clean(record)
    return record


def _around_ipython(former: typing.Any, kind: typing.Any, value: typing.Any, lines: typing.Any) -> typing.Any:
    """IPython and Jupyter show a list of lines wherever the notebook is: the diagnosis is put under them."""
    with contextlib.suppress(Exception):
        told = _told(value)
        lines = [redact(line) for line in lines] + ([f"\n{told}"] if told else [])
        words = str(value)
        # Jupyter sends the words apart from the lines.
        value = value if redact(words) == words else redact(words)
    return former(kind, value, lines)


# ── What is said ─────────────────────────────────────────────────────────────────────────────────────────────────


def _tell(exception: object) -> None:
    # The program is ending or in trouble; whatever is wrong with us is not its business.
    with contextlib.suppress(Exception):
        if sys.stderr is not None and (told := _told(exception)):
            sys.stderr.write(f"\n{told}\n")


def _told(exception: object) -> str | None:
    """What is to stand under the traceback; nothing for what no call of a model raised, or what was told before."""
    if not isinstance(exception, Exception) or getattr(exception, _TOLD, False):
        return None
    found = _raised.diagnose(exception, here=True)
    if found is None or not found[1]:
        return None
    if str(found[0]) in "".join(getattr(exception, "__notes__", ())):
        # It is part of the traceback already.
        return None
    with contextlib.suppress(Exception):
        setattr(exception, _TOLD, True)
    return str(found[0])


@contextlib.contextmanager
def _redacted_stderr() -> typing.Iterator[None]:
    """Everything that is written to stderr meanwhile passes the redactor."""
    former = sys.stderr
    if former is None or isinstance(former, Stream):
        yield
        return
    stream = Stream(former)
    sys.stderr = typing.cast(typing.TextIO, stream)
    try:
        yield
    finally:
        if sys.stderr is stream:  # type: ignore[comparison-overlap]
            sys.stderr = former
        with contextlib.suppress(Exception):
            stream.finish()


def _ipython() -> typing.Any:
    """The running shell, if this is IPython or a notebook. Nothing is imported for it."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return shell if hasattr(shell, "_showtraceback") else None


class _RecordFactory:
    """The factory of log records as an attribute, so that it is hooked like the rest."""

    @property
    def factory(self) -> typing.Any:
        return logging.getLogRecordFactory()

    @factory.setter
    def factory(self, factory: typing.Any) -> None:
        logging.setLogRecordFactory(factory)


_RECORDS = _RecordFactory()

_HOOKS = [
    _Hook(lambda: sys, "excepthook", _around_excepthook),
    _Hook(lambda: threading, "excepthook", _around_thread),
    _Hook(lambda: sys, "unraisablehook", _around_unraisable),
    _Hook(lambda: importlib.import_module("asyncio").BaseEventLoop, "call_exception_handler", _around_loop),
    _Hook(lambda: _RECORDS, "factory", _around_record),
    _Hook(_ipython, "_showtraceback", _around_ipython),
]

_LOCK = threading.Lock()

"""Marks an exception whose diagnosis was printed."""
_TOLD = "__keywright_told__"
