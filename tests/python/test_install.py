"""What `keywright.install()` adds to a program that fails, and what it leaves alone."""

import os
import pathlib
import subprocess
import sys
import textwrap

import harness

KEY = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 70 + "M6zr"
DIAGNOSED = "error[invalid_key]: the provider does not know this key"
FRAGMENT = "b" * 12

"""A call that the emulated provider refuses, and an exception that shows the key."""
BEFORE = f"""
import asyncio, logging, sys, threading, gc
import keywright
import openai
KEY = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 70 + "M6zr"

def call():
    openai.OpenAI(api_key=KEY, max_retries=0).chat.completions.create(model="gpt-4o-mini", messages=[])

async def call_later():
    await openai.AsyncOpenAI(api_key=KEY, max_retries=0).models.list()
"""


def run(program, tmp_path, emulator=None):
    environment = harness.surroundings(str(tmp_path)) | {"PYTHONPATH": os.environ["PYTHONPATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    if emulator:
        environment["OPENAI_BASE_URL"] = emulator.url + "/openai/v1"
    (tmp_path / "app.py").write_text(BEFORE + textwrap.dedent(program))
    command = [sys.executable, "app.py"]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_an_uncaught_exception_is_explained(tmp_path, emulator):
    ended = run("keywright.install()\ncall()", tmp_path, emulator)
    assert ended.returncode == 1
    assert "Traceback (most recent call last):" in ended.stderr
    assert "openai.AuthenticationError: Error code: 401" in ended.stderr
    trace, _, diagnosis = ended.stderr.partition(DIAGNOSED)
    assert "app.py" in trace and "app.py:" in diagnosis, ended.stderr
    assert ended.stderr.count("error[") == 1


def test_without_it_nothing_is_added(tmp_path, emulator):
    for program in ("call()", "keywright.install()\nkeywright.uninstall()\ncall()"):
        ended = run(program, tmp_path, emulator)
        assert ended.returncode == 1 and "error[" not in ended.stderr, ended.stderr


def test_twice_is_once(tmp_path, emulator):
    ended = run("keywright.install()\nkeywright.install()\ncall()", tmp_path, emulator)
    assert ended.stderr.count(DIAGNOSED) == 1, ended.stderr
    assert ended.stderr.count("Traceback") == 1, ended.stderr


def test_other_exceptions_are_left_alone(tmp_path):
    bare = run("\nint('x')", tmp_path)
    installed = run("keywright.install()\nint('x')", tmp_path)
    assert installed.stderr == bare.stderr
    assert "ValueError" in bare.stderr


def test_a_thread_is_explained(tmp_path, emulator):
    ended = run("keywright.install()\nt = threading.Thread(target=call)\nt.start()\nt.join()\nprint('goes on')", tmp_path, emulator)
    assert "Exception in thread" in ended.stderr and DIAGNOSED in ended.stderr, ended.stderr
    assert ended.stdout == "goes on\n"


def abandoned(before=""):
    """A program whose task fails, and nobody awaits it."""
    return f"""
keywright.install()
async def main():
    {before}
    task = asyncio.ensure_future(call_later())
    await asyncio.wait([task])
    del task
    gc.collect()
asyncio.run(main())
"""


def test_a_task_that_nobody_awaits_is_explained(tmp_path, emulator):
    ended = run(abandoned(), tmp_path, emulator)
    assert "never retrieved" in ended.stderr and DIAGNOSED in ended.stderr, ended.stderr


def test_a_handler_of_the_loop_stays(tmp_path, emulator):
    handler = 'lambda loop, context: print("handled", type(context["exception"]).__name__)'
    ended = run(abandoned(f"asyncio.get_running_loop().set_exception_handler({handler})"), tmp_path, emulator)
    assert ended.stdout == "handled AuthenticationError\n"
    assert DIAGNOSED in ended.stderr


def test_what_a_finaliser_raises_is_explained(tmp_path, emulator):
    ended = run(
        """
        keywright.install()
        class Closing:
            def __del__(self):
                call()
        closing = Closing()
        del closing
        """,
        tmp_path,
        emulator,
    )
    assert "Exception ignored" in ended.stderr and DIAGNOSED in ended.stderr, ended.stderr


def test_former_hooks_run_first_and_come_back(tmp_path, emulator):
    program = """
    def mine(kind, value, trace):
        print("mine", kind.__name__, file=sys.stderr)
    sys.excepthook = mine
    threading_hook, loop_handler, factory = threading.excepthook, asyncio.BaseEventLoop.call_exception_handler, logging.getLogRecordFactory()
    unraisable = sys.unraisablehook
    keywright.install()
    assert sys.excepthook is not mine
    {middle}
    call()
    """
    ended = run(program.format(middle=""), tmp_path, emulator)
    assert ended.stderr.startswith("mine AuthenticationError\n") and DIAGNOSED in ended.stderr, ended.stderr
    back = """keywright.uninstall()
    assert sys.excepthook is mine and threading.excepthook is threading_hook and sys.unraisablehook is unraisable
    assert asyncio.BaseEventLoop.call_exception_handler is loop_handler and logging.getLogRecordFactory() is factory"""
    ended = run(program.format(middle=back), tmp_path, emulator)
    assert ended.stderr == "mine AuthenticationError\n"


def test_a_hook_over_ours_stays(tmp_path, emulator):
    program = """
    keywright.install()
    ours = sys.excepthook
    def above(*arguments):
        print("above", file=sys.stderr)
        ours(*arguments)
    sys.excepthook = above
    keywright.uninstall()
    assert sys.excepthook is above
    {end}
    call()
    """
    ended = run(program.format(end=""), tmp_path, emulator)
    assert ended.stderr.startswith("above\n") and "Traceback" in ended.stderr and "error[" not in ended.stderr
    ended = run(program.format(end="keywright.install()"), tmp_path, emulator)
    assert ended.stderr.count("Traceback") == 1 and ended.stderr.count(DIAGNOSED) == 1, ended.stderr


def test_a_former_hook_that_fails_hides_nothing(tmp_path, emulator):
    ended = run("def bad(*_): raise OSError('broken hook')\nsys.excepthook = bad\nkeywright.install()\ncall()", tmp_path, emulator)
    assert "broken hook" in ended.stderr and "Original exception was" in ended.stderr
    assert "openai.AuthenticationError" in ended.stderr and DIAGNOSED in ended.stderr


def test_a_stop_is_no_failure(tmp_path):
    assert run("keywright.install()\nsys.exit(3)", tmp_path).returncode == 3
    assert "error[" not in run("keywright.install()\nraise KeyboardInterrupt", tmp_path).stderr


def test_no_key_shows_in_tracebacks_or_logs(tmp_path):
    """Other libraries print keys: here is a key in each place where they have been seen to."""
    program = """
    import io, json
    stream = io.StringIO()
    {install}
    logging.basicConfig(stream=stream, level=0, format="%(message)s %(user)s", force=True)
    {install}
    log, extra = logging.getLogger("lib.http"), {{"user": KEY}}
    log.warning("Bearer " + KEY, extra=extra)
    log.warning("Bearer %s", KEY, extra=extra)
    log.warning("%(key)s", {{"key": KEY}}, extra=extra)
    log.warning("stack", stack_info=True, extra=extra)
    log.warning("%d", KEY, extra=extra)
    try:
        raise ValueError("Illegal header value b'Bearer " + KEY + "'")
    except ValueError:
        log.exception("failed", extra=extra)
        class AsJson(logging.Formatter):
            def format(self, record):
                shown = self.formatException(record.exc_info) if record.exc_info else record.exc_text
                return json.dumps([record.getMessage(), shown])
        logging.getLogger().handlers[0].setFormatter(AsJson())
        log.exception("failed", extra=extra)
    print(stream.getvalue())
    def work():
        raise RuntimeError("in a thread: " + KEY)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    raise RuntimeError("at the end: " + KEY)
    """
    shown = run(program.format(install="keywright.install()"), tmp_path)
    bare = run(program.format(install="pass"), tmp_path)
    for where, with_us, without in (("stdout", shown.stdout, bare.stdout), ("stderr", shown.stderr, bare.stderr)):
        assert FRAGMENT in without, where
        assert FRAGMENT not in with_us, f"{where}: {with_us}"
    assert shown.stdout.count("sk-proj-…M6zr") >= 9
    assert "at the end: sk-proj-…M6zr" in shown.stderr and "in a thread: sk-proj-…M6zr" in shown.stderr


def test_a_filter_of_ones_own(tmp_path):
    program = """
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(keywright.RedactingFilter())
    log = logging.getLogger("x")
    log.propagate = False
    log.addHandler(handler)
    log.warning("Bearer %s", KEY)
    log.warning("plain %s", "words")
    """
    ended = run(program, tmp_path)
    assert ended.stdout == "Bearer sk-proj-…M6zr\nplain words\n"


def test_a_closed_stderr_is_no_trouble(tmp_path, emulator):
    assert run("keywright.install()\nsys.stderr = None\ncall()", tmp_path, emulator).returncode == 1
