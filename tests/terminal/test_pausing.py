"""The program reads the same terminal as the person who is asked: it is paused meanwhile, and hears nothing of the answers."""

from __future__ import annotations

import os
import pathlib
import signal

import harness
import pytest
from canary import Canary, descendants
from console import KEEP, PROMPT, Console, Revoked

"""One call, told as it ended."""
CALL = """\
import os, sys, threading, urllib.error, urllib.request
def call():
    asks = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/models", headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    try:
        status = urllib.request.urlopen(asks).status
    except urllib.error.HTTPError as error:
        status = error.code
    print("status", status, flush=True)
"""
"""A thread reads the terminal, from before the call on."""
READS_IN_A_THREAD = """\
def read():
    for line in sys.stdin:
        print("the program read", repr(line), flush=True)
        if line == "end\\n":
            os._exit(0)
threading.Thread(target=read, daemon=True).start()
print("reading", flush=True)
"""
LOOP = """while read -r line; do echo "the program read '$line'"; [ "$line" = end ] && break; done\n"""
"""Who reads the terminal while another process of the program makes the call."""
READERS = {
    "the shell": "python3 call.py & . ./loop.sh; wait",
    "a child": "python3 call.py & bash loop.sh; wait",
    # Its parent has ended when the call is made.
    "an orphan": "sh -c 'python3 reader.py <&3 &' 3<&0; while [ ! -e reads ]; do sleep 0.05; done; python3 call.py; while [ -e reads ]; do sleep 0.05; done",
}


class Scene(Revoked):
    """A folder with programs, and a key that is revoked."""

    def run(self, *command: str, options: tuple[str, ...] = (), under: tuple[str, ...] = ()) -> Console:
        return Console(["run", *options, "--", *command], self.folder, self.variables, under)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)


@pytest.fixture
def scene(emulator: harness.Emulator, tmp_path: pathlib.Path) -> Scene:
    scene = Scene.at(emulator, tmp_path)
    scene.write("app.py", CALL + READS_IN_A_THREAD + "call()\nthreading.Event().wait()\n")
    scene.write("call.py", CALL + "call()\n")
    return scene


def states(process: int) -> dict[int, str]:
    """The state of each thread of everything that a process started."""
    found = {}
    for number in descendants(process):
        for task in pathlib.Path(f"/proc/{number}/task").glob("*/stat"):
            found[int(task.parent.name)] = task.read_text().rsplit(")", 1)[1].split()[0]
    return found


def all_paused(process: int) -> bool:
    return set(states(process).values()) <= {"T", "Z"}


def goes_on_and_read_nothing(scene: Scene, console: Console) -> None:
    """The terminal is the program's again, and its next line is the first that it reads."""
    console.until("status 200")
    assert "the program read" not in console.seen
    console.type("end\n")
    console.until("the program read 'end")
    assert console.end() == 0
    assert console.seen.count("the program read") == 1
    Canary("openai", scene.fresh).must_not_show("the terminal", console.seen)


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_thread_that_reads_gets_neither_the_key_nor_the_answer(scene: Scene, answer: str) -> None:
    with scene.run("python3", "app.py") as console:
        console.until(PROMPT)
        assert all_paused(console.process.pid)
        console.type(scene.fresh + "\n")
        console.until(KEEP)
        assert all_paused(console.process.pid), "one pause for both questions"
        console.type(answer + "\n")
        goes_on_and_read_nothing(scene, console)


@pytest.mark.parametrize("reader", READERS)
def test_whoever_of_the_program_reads_gets_nothing(scene: Scene, reader: str) -> None:
    scene.write("loop.sh", LOOP)
    scene.write(
        "reader.py",
        "import os, pathlib, sys\npathlib.Path('reads').touch()\n"
        "print('the program read', repr(sys.stdin.readline()), flush=True)\nos.unlink('reads')\n",
    )
    with scene.run("bash", "-c", READERS[reader]) as console:
        console.until(PROMPT)
        for times, typed in enumerate((harness.new_key("openai"), "junk"), start=2):
            console.type(typed + "\n")
            console.until(PROMPT, times)
        console.type(scene.fresh + "\n")
        console.until(KEEP)
        console.type("y\n")
        goes_on_and_read_nothing(scene, console)


def test_the_rest_of_a_paste_is_nobodys(scene: Scene) -> None:
    with scene.run("python3", "app.py") as console:
        console.until(PROMPT)
        console.type(f"{scene.fresh}\nsecond line\n")
        console.until(KEEP)
        console.type("n\nand more\n")
        goes_on_and_read_nothing(scene, console)


@pytest.mark.parametrize("typed", ["\n", "\x03"], ids=["empty", "ctrl-c"])
def test_giving_up_lets_the_program_go_on(scene: Scene, typed: str) -> None:
    with scene.run("python3", "app.py") as console:
        console.until(PROMPT)
        console.type(typed)
        console.until("status 503")
        console.type("end\n")
        assert console.end() == 0
        assert console.seen.count("the program read") == 1


@pytest.mark.parametrize("question", [PROMPT, KEEP], ids=["the key", "keeping it"])
def test_a_signal_reaches_a_paused_program(scene: Scene, question: str) -> None:
    scene.write(
        "app.py",
        CALL + "import signal\n"
        'signal.signal(signal.SIGUSR1, lambda *_: print("the signal came", flush=True))\n' + READS_IN_A_THREAD + "call()\nthreading.Event().wait()\n",
    )
    with scene.run("python3", "app.py") as console:
        console.until(PROMPT)
        if question == KEEP:
            console.type(scene.fresh + "\n")
            console.until(KEEP)
        console.process.send_signal(signal.SIGUSR1)
        console.until("the signal came")
        console.until("status 503" if question == PROMPT else "status 200")
        console.type("end\n")
        assert console.end() == 0
        assert console.seen.count("the program read") == 1


def test_who_continues_the_program_does_not_give_it_the_key(scene: Scene) -> None:
    with scene.run("python3", "app.py") as console:
        console.until(PROMPT)
        # As `fg` of a shell does: the whole job.
        os.killpg(console.process.pid, signal.SIGCONT)
        console.until(PROMPT, 2)
        harness.eventually(lambda: all_paused(console.process.pid), "the program is paused again")
        console.type(scene.fresh + "\n")
        console.until(KEEP)
        console.type("n\n")
        goes_on_and_read_nothing(scene, console)


def test_what_was_stopped_before_stays_stopped(scene: Scene) -> None:
    scene.write(
        "app.py",
        CALL + "import signal, subprocess\n"
        'stopped = subprocess.Popen(["sleep", "1000"])\n'
        "stopped.send_signal(signal.SIGSTOP)\n"
        "os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)\n"
        'call()\nprint("still", open(f"/proc/{stopped.pid}/stat").read().split()[2], flush=True)\nstopped.kill()\n',
    )
    with scene.run("python3", "app.py") as console:
        console.until(PROMPT)
        console.type("\n")
        assert console.end() == 0
        assert "status 503" in console.seen and "still T" in console.seen


def test_a_terminal_that_nobody_looks_at_pauses_a_program_once(scene: Scene) -> None:
    references = {"openai": ["env://OPENAI_API_KEY"]}
    scene.write("keywright.toml", harness.configuration(scene.emulator.url, references, extra="park_timeout_ms = 300"))
    scene.write("app.py", CALL + "call()\ncall()\ncall()\n")
    with scene.run("python3", "app.py", options=("--config", "keywright.toml")) as console:
        assert console.end() == 0
        assert console.seen.count("status 503") == 3
        assert console.seen.count(PROMPT) == 1 and "you are not asked again in this run" in console.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_nothing_stays_paused_when_keywright_ends(scene: Scene, number: int) -> None:
    with scene.run("python3", "app.py", under=("bash", "-c", 'set -m; "$@"; exit 0', "bash")) as console:
        console.until(PROMPT)
        [keywright] = (pid for pid in descendants(console.process.pid) if not is_paused(pid))
        started = list(descendants(keywright))
        assert started and all_paused(keywright)
        os.kill(keywright, number)
        console.process.wait(harness.DEADLINE_SECONDS)
        harness.eventually(lambda: not any(is_paused(pid) for pid in started), "nothing is paused any more")


def is_paused(process: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return False
