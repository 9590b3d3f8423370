"""A real pseudo-terminal with a `keywright` command in its foreground, as in a person's window."""

from __future__ import annotations

import fcntl
import os
import pathlib
import subprocess
import termios
import threading
import typing

import harness


"""What is asked when the last key is refused, and when the pasted one works."""
PROMPT = "Paste a key for OpenAI"
KEEP = "Keep it in the key vault for next time? [y/N]"


class Revoked(typing.NamedTuple):
    """A folder for programs, a key that is revoked, and one that is fresh."""

    emulator: harness.Emulator
    folder: pathlib.Path
    dead: str
    fresh: str

    @classmethod
    def at(cls, emulator: harness.Emulator, folder: pathlib.Path) -> typing.Self:
        return cls(emulator, folder, emulator.key("openai", "revoked"), emulator.key("openai"))

    @property
    def variables(self) -> dict[str, str]:
        """What the revoked key is found by."""
        return {"OPENAI_API_KEY": self.dead, "OPENAI_BASE_URL": f"{self.emulator.url}/openai/v1"}


class Console:
    """What is typed goes in, what a person would see comes out. A shell may stand `under` the command."""

    def __init__(self, arguments: list[str], folder: pathlib.Path, environment: dict[str, str], under: tuple[str, ...] = (), **streams: typing.Any) -> None:
        self._master, slave = os.openpty()
        self._seen = bytearray()
        streams = {"stdin": slave, "stdout": slave, "stderr": slave} | streams
        self.process = subprocess.Popen(
            [*under, str(harness.keywright()), *arguments],
            cwd=folder,
            env=harness.surroundings(str(folder)) | environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
            **streams,
        )
        self._slave = slave
        self.modes_before = self.modes()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self._seen += os.read(self._master, 4096)
            except OSError:
                return

    @property
    def seen(self) -> str:
        return bytes(self._seen).decode(errors="replace")

    def until(self, text: str, times: int = 1) -> None:
        def there() -> bool:
            return self.seen.count(text) >= times

        try:
            harness.eventually(there, f"`{text}` on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.seen}") from None

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def modes(self) -> list[typing.Any]:
        """Echo, line editing and the rest, as the terminal has them now."""
        return termios.tcgetattr(self._slave)

    @property
    def echoes(self) -> bool:
        return bool(self.modes()[3] & termios.ECHO)

    def end(self) -> int:
        """Waits for the command's end; the terminal must be as it was."""
        code = self.process.wait(harness.DEADLINE_SECONDS)
        assert self.modes() == self.modes_before, "the terminal was left in another mode"
        return code

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        self._reader.join(harness.DEADLINE_SECONDS)
        os.close(self._master)
