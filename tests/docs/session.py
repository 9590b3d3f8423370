"""A reader of one page: a folder, a home and a shell of their own, and no network but this machine's.

The shell lives as long as the page, so that variables, folders and background programs stay. Where the system allows it, the session has
a network of its own: addresses that the book names are free there, and nothing else can be reached.
"""

from __future__ import annotations

import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import typing

import harness

ENVIRONMENTS = pathlib.Path(os.environ.get("KEYWRIGHT_TEST_ENV", harness.ROOT / "target/test-env"))


class Ran(typing.NamedTuple):
    code: int
    printed: str


class Session:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="keywright-book-", ignore_cleanup_errors=True)
        root = pathlib.Path(self._folder.name)
        self.folder, home, programs, self._blocks = (root / name for name in ("page", "home", "programs", "blocks"))
        for made in (self.folder, home, programs, self._blocks):
            made.mkdir(mode=0o700)
        put_programs(programs)
        path = [programs, ENVIRONMENTS / "python/openai-3/bin", os.environ["PATH"]]
        variables = harness.surroundings(str(home)) | {"PATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= {"PYTHONPATH": package} if (package := os.environ.get("PYTHONPATH")) else {}
        self._done, done = os.pipe()
        self._number = 0
        self._shell = subprocess.Popen(
            [*own_network(), "bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            env=variables,
            cwd=self.folder,
            pass_fds=[done],
            start_new_session=True,
            text=True,
        )
        os.close(done)
        self._tell(f"exec {DONE}>&{done}; exec {done}>&-")
        if own_network():
            self._tell("ip link set lo up")

    def run(self, text: str) -> Ran:
        """Runs a block to its end. Its code is that of its last command, or of the first one that failed."""
        script, out = self._script(text)
        self._tell(f"failed=0; trap 'failed=$?' ERR; . {script} >{out} 2>&1 </dev/null; code=$?; trap - ERR; echo $code $failed >&{DONE}")
        answer = self._answer(out)
        code, failed = map(int, answer.split())
        return Ran(code or failed, out.read_text(errors="replace"))

    def run_until(self, text: str, words: str) -> Ran:
        """Starts a block in the background and waits for its words."""
        script, out = self._script(text)
        out.touch()
        self._tell(f"( . {script} ) >{out} 2>&1 </dev/null {DONE}>&- &")
        harness.eventually(lambda: words in out.read_text(errors="replace"), f"`{words}` is printed by\n{text}")
        return Ran(0, out.read_text(errors="replace"))

    def close(self) -> None:
        if self._shell.stdin:
            self._shell.stdin.close()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._shell.pid, sign)
                self._shell.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        os.close(self._done)
        self._folder.cleanup()

    def _script(self, text: str) -> tuple[pathlib.Path, pathlib.Path]:
        self._number += 1
        script = self._blocks / f"{self._number}.sh"
        script.write_text(text)
        return script, script.with_suffix(".out")

    def _tell(self, line: str) -> None:
        assert self._shell.stdin
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()

    def _answer(self, out: pathlib.Path) -> str:
        ready, _, _ = select.select([self._done], [], [], DEADLINE_SECONDS)
        answer = os.read(self._done, 64).decode() if ready else ""
        assert answer, f"the block did not end by itself\n{out.read_text(errors='replace') if out.exists() else ''}"
        return answer


def put_programs(folder: pathlib.Path) -> None:
    """What the pages call beside the system's own programs. What `cargo run … --example NAME` starts is built already."""
    vault, built = ENVIRONMENTS / "python/sources/bin", harness.keywright().parent
    scripts = {
        "keywright": f'exec "{harness.keywright()}" "$@"',
        "bao": f'exec "{vault}/python" "{vault}/bao" "$@"',
        "cargo": f'for name; do :; done\nexec "{built}/examples/$name"',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def own_network() -> list[str]:
    """The command that gives a program a network of its own; nothing where the system does not allow it."""
    command = ["unshare", "--map-root-user", "--net"]
    allowed = shutil.which("ip") and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if allowed else []


DONE = 9
DEADLINE_SECONDS = 60.0
