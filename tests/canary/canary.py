"""A marked key, and a search for it in any form that could give it away."""

from __future__ import annotations

import base64
import binascii
import pathlib
import typing
import urllib.parse

"""So many characters of a key in a row are a leak. A mask shows a prefix everyone knows and the last four."""
WINDOW = 12


class Canary:
    """A key that must not show anywhere, and where it is allowed to stand."""

    def __init__(self, provider: str, key: str) -> None:
        self.provider, self.key = provider, key
        self._needles = dict(needles(key))

    def must_not_show(self, where: str, text: bytes | str) -> None:
        data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        lowered = data.lower()
        for form, needle in self._needles.items():
            found = lowered.find(needle) if form in FOLDED else data.find(needle)
            if found >= 0:
                line = data[max(0, found - 80) : found + 80]
                raise AssertionError(f"the {self.provider} key shows in {where}, {form}: …{line!r}…")

    def must_not_show_in_files(self, folder: pathlib.Path, allowed: typing.Container[str]) -> None:
        """Everything a command left behind, except what the test itself wrote."""
        for file in folder.rglob("*"):
            if file.is_file() and str(file.relative_to(folder)) not in allowed:
                self.must_not_show(f"file {file.relative_to(folder)}", file.read_bytes())

    def must_not_show_in_processes(self, process: int) -> None:
        """The command lines of a process and of all that it started; anyone on the machine can read them."""
        for number in [process, *descendants(process)]:
            self.must_not_show(f"the command line of process {number}", read_process(number, "cmdline"))


def needles(key: str) -> typing.Iterator[tuple[str, bytes]]:
    """The key as it is and in the encodings that hide it from a plain search."""
    raw = key.encode()
    inner = raw[len(raw) // 3 :][: 2 * WINDOW]
    for start in range(8, len(raw) - 4 - WINDOW, WINDOW // 2):
        yield f"as it is, from character {start}", raw[start : start + WINDOW]
    for shift in range(3):
        # Whole groups of three bytes encode alike wherever they stand.
        piece = inner[shift:]
        encoded = base64.b64encode(piece[: len(piece) // 3 * 3])
        yield f"base64, shifted by {shift}", encoded[:WINDOW]
        if (safe := base64.urlsafe_b64encode(piece[: len(piece) // 3 * 3])[:WINDOW]) != encoded[:WINDOW]:
            yield f"base64url, shifted by {shift}", safe
    yield "hexadecimal", binascii.hexlify(inner[:WINDOW])
    yield "percent-encoded", "".join(f"%{byte:02x}" for byte in inner[:WINDOW]).encode()
    yield "escaped as in JSON", "".join(f"\\u{byte:04x}" for byte in inner[:WINDOW]).encode()
    yield "with spaces between", b" ".join(bytes([byte]) for byte in inner[:WINDOW])


"""Forms in which upper and lower case mean the same."""
FOLDED = {"hexadecimal", "percent-encoded", "escaped as in JSON"}


def echoes(key: str) -> dict[str, bytes]:
    """Bodies in which a provider might give the key back. Real ones have done most of these."""
    raw = key.encode()
    return {
        "as it is": error(f"Incorrect API key provided: {key}. Get one at https://example.com."),
        "in a header of a header": error(f"Illegal header value b'Bearer {key}'"),
        "base64": error("Basic " + base64.b64encode(raw).decode()),
        "base64 of name and key": error("Basic " + base64.b64encode(b"user:" + raw).decode()),
        "base64url": error(base64.urlsafe_b64encode(raw).decode()),
        "percent-encoded": error("key=" + "".join(f"%{byte:02X}" for byte in raw)),
        "percent-encoded where needed": error("key=" + urllib.parse.quote(key + "/+", safe="")),
        "escaped as in JSON": b'{"error": {"message": "bad key: ' + escaped(raw) + b'", "type": "invalid_request_error"}}',
        "in a form of its own": b"<html><body>401 " + raw + b"</body></html>",
    }


def error(message: str) -> bytes:
    return b'{"error": {"message": "' + message.encode() + b'", "type": "invalid_request_error", "code": "invalid_api_key"}}'


def escaped(raw: bytes) -> bytes:
    return b"".join(b"\\u%04x" % byte for byte in raw)


def read_process(number: int, name: str) -> bytes:
    try:
        return pathlib.Path(f"/proc/{number}/{name}").read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return b""


def descendants(process: int) -> typing.Iterator[int]:
    for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        try:
            numbers = children.read_text().split()
        except OSError:
            continue
        for number in map(int, numbers):
            yield number
            yield from descendants(number)
