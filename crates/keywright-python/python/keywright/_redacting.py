"""Keeps keys out of what others print: log records, and what is written to a stream while a hook runs."""

from __future__ import annotations

import logging
import threading
import traceback
import typing

from keywright import _native


def redact(text: str) -> str:
    """The text without keys. Half characters, which Rust cannot hold, are written out."""
    try:
        return _native.redact(text)
    except UnicodeEncodeError:
        return _native.redact(text.encode("utf-8", "backslashreplace").decode())


class RedactingFilter(logging.Filter):
    """Masks keys in log records: in the message, in its arguments, in tracebacks and in extra fields.

        handler.addFilter(keywright.RedactingFilter())

    `keywright.install()` does this for every record; handlers that print extra fields want the filter itself.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        clean(record)
        for name, value in record.__dict__.items():
            if isinstance(value, str) and name not in _OF_THE_PROGRAM:
                record.__dict__[name] = redact(value)
        return True


"""Names of files and the like: they are the program's own, and every record has them."""
_OF_THE_PROGRAM = {"name", "levelname", "pathname", "filename", "module", "funcName", "threadName", "processName"}


def clean(record: logging.LogRecord) -> None:
    """Masks what a record will show. A record that shows no key stays as it is."""
    try:
        message = record.getMessage()
    except Exception:
        # `logging` reports this by itself, and shows message and arguments.
        record.msg = redact(str(record.msg))
        record.args = tuple(redact(str(value)) for value in record.args or ())
    else:
        if (masked := redact(message)) != message:
            record.msg, record.args = masked, None
    if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
        shown = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (masked := redact(shown)) != shown:
            # Formatters of every kind fall back to this text when there is no exception.
            record.exc_info, record.exc_text = None, masked
    elif record.exc_text:
        record.exc_text = redact(record.exc_text)
    if record.stack_info:
        record.stack_info = redact(record.stack_info)


class Stream:
    """Stands in for a text stream, and masks keys in what passes. Lines are written whole, so that no key is cut in two."""

    def __init__(self, stream: typing.TextIO) -> None:
        self._stream = stream
        self._rest = ""
        # A thread, or a handler of a signal, may write while another write is under way.
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        with self._lock:
            lines, newline, self._rest = (self._rest + text).rpartition("\n")
            if newline:
                self._stream.write(redact(lines) + newline)
        return len(text)

    def writelines(self, lines: typing.Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing: the end of a line is not here yet."""

    def finish(self) -> None:
        """Writes what has no end of line."""
        with self._lock:
            rest, self._rest = self._rest, ""
            if rest:
                self._stream.write(redact(rest))
            self._stream.flush()

    def __getattr__(self, name: str) -> typing.Any:
        return getattr(self._stream, name)
