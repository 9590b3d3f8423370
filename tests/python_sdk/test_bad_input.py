"""What else a program may do: odd keys, forks, threads, loops that are closed, an interpreter that ends."""

import asyncio
import gc
import http.server
import importlib.metadata
import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading

import harness
import keywright
import openai
import pytest

CLIENTS = {
    "OpenAI": lambda **options: keywright.OpenAI(**options),
    "AsyncOpenAI": lambda **options: keywright.AsyncOpenAI(**options),
    "FireworksAI": lambda **options: keywright.FireworksAI(**options),
    "TogetherAI": lambda **options: keywright.TogetherAI(**options),
}
HELLO = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS.keys())
@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (None, "missing_key"),
        ("", "empty_key"),
        ("   ", "whitespace_or_newline"),
        ("sk-your-key-here", "placeholder_key"),
        ("$OPENAI_API_KEY", "placeholder_key"),
        ("sk-\u200babcdefghijklmnopqrstuvwx", "hidden_or_non_ascii_character"),
        ("sk-abc\nsk-def", None),
        ("\ud800", None),
        ("https://api.openai.com/v1", "not_a_key_value"),
    ],
    ids=lambda value: ascii(value),
)
def test_a_key_that_cannot_work_is_refused_when_the_client_is_made(make, key, cause):
    with pytest.raises(keywright.AuthenticationError) as raised:
        make(api_key=key)
    found = raised.value.diagnosis
    assert found.verdict == "auth" and cause in (None, found.cause), found
    assert isinstance(raised.value, openai.AuthenticationError) and raised.value.status_code == 401
    assert str(found).startswith(f"error[{found.cause}]")


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS.keys())
@pytest.mark.parametrize("key", [b"sk-abc", bytearray(b"sk-abc"), 7, ["sk-abc"], object()], ids=lambda key: type(key).__name__)
def test_what_is_no_text_is_no_key(make, key):
    with pytest.raises(TypeError, match="api_key must be a str, not"):
        make(api_key=key)


def test_references_are_checked(monkeypatch):
    for keys, error in (("env://X", TypeError), ([b"env://X"], TypeError), (["nosuch://x"], ValueError)):
        with pytest.raises(error):
            keywright.OpenAI(keys=keys)
    with pytest.raises(keywright.AuthenticationError) as raised:
        keywright.OpenAI(keys=["env://NOT_SET_ANYWHERE"])
    assert raised.value.diagnosis.cause == "missing_key"


def test_a_client_that_is_none_is_told_by_the_sdk(emulator):
    with pytest.raises((TypeError, openai.OpenAIError)):
        keywright.OpenAI(api_key=emulator.key("openai"), http_client=object())


def test_a_closed_loop_is_told(emulator):
    client = keywright.AsyncOpenAI(api_key=emulator.key("openai"), max_retries=0)

    async def call():
        return await client.chat.completions.create(**HELLO)

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(call())
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_until_complete(call())
    gc.collect()
    # Its connection belonged to the loop that is gone; another loop gets an exception or an answer, and no hang.
    async def again():
        return await asyncio.wait_for(call(), harness.DEADLINE_SECONDS)

    try:
        assert asyncio.run(again())
    except (RuntimeError, openai.APIConnectionError):
        pass
    fresh = keywright.AsyncOpenAI(api_key=emulator.key("openai"))
    assert asyncio.run(fresh.chat.completions.create(**HELLO))


def test_a_call_that_is_cancelled_gives_its_key_back(emulator):
    emulator_key = emulator.key("openai")

    async def calls():
        async with keywright.AsyncOpenAI(api_key=emulator_key) as client:
            task = asyncio.ensure_future(client.chat.completions.create(**HELLO))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await client.chat.completions.create(**HELLO)

    assert asyncio.run(calls()).choices


def forked(client, queue):
    try:
        queue.put(client.chat.completions.create(**HELLO).choices[0].message.content)
    except BaseException as error:
        queue.put(repr(error))


def test_a_fork_after_the_first_call_works(emulator, monkeypatch):
    dead, good = emulator.key("openai", "revoked"), emulator.key("openai")
    monkeypatch.setenv("OPENAI_API_KEY", dead)
    monkeypatch.setenv("OPENAI_API_KEY_BACKUP", good)
    client = keywright.OpenAI()
    client.chat.completions.create(**HELLO)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=forked, args=(client, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    assert all("Keywright emulator" in queue.get(timeout=harness.DEADLINE_SECONDS) for _ in processes)
    for process in processes:
        process.join(harness.DEADLINE_SECONDS)
        assert process.exitcode == 0
    assert client.chat.completions.create(**HELLO)


class Vault:
    """A vault that hands out one key, until it `hangs`; `asked` tells that somebody waits then."""

    def __init__(self, key):
        self.hangs, self.asked, self.go_on = False, threading.Event(), threading.Event()
        vault = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if vault.hangs:
                    vault.asked.set()
                    # Until the test lets go, or whoever asked gives up.
                    vault.go_on.wait(harness.DEADLINE_SECONDS)
                    return
                mounts = {"data": {"path": "secret/", "options": {"version": "2"}}}
                secret = {"data": {"data": {"openai": key}}}
                body = json.dumps(mounts if "/sys/" in self.path else secret).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self.go_on.set()
        self._server.shutdown()


@pytest.fixture
def vault(emulator, monkeypatch):
    running = Vault(emulator.key("openai", "revoked"))
    monkeypatch.setenv("VAULT_ADDR", running.address)
    monkeypatch.setenv("VAULT_TOKEN", "t")
    yield running
    running.stop()


def test_a_call_can_be_cancelled_while_a_source_is_read(vault):
    """Its key was refused, and the vault that may have a newer one does not answer."""

    async def call():
        async with keywright.AsyncOpenAI(keys=["vault://secret/llm#openai"]) as client:
            vault.hangs = True
            task = asyncio.ensure_future(client.chat.completions.create(**HELLO))
            await asyncio.to_thread(vault.asked.wait, harness.DEADLINE_SECONDS)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            vault.go_on.set()

    asyncio.run(call())


def in_a_child(work):
    """What a forked process says; it must not wait for anything of its parent."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child():
        try:
            queue.put(work())
        except BaseException as error:
            queue.put(repr(error))

    process = context.Process(target=child)
    process.start()
    try:
        return queue.get(timeout=harness.DEADLINE_SECONDS)
    finally:
        process.kill()
        process.join()


def test_a_fork_while_a_thread_reads_a_source_works(vault, emulator, monkeypatch):
    good = emulator.key("openai")
    monkeypatch.setenv("OPENAI_API_KEY_BACKUP", good)
    client = keywright.OpenAI(keys=["vault://secret/llm#openai", "env://OPENAI_API_KEY_BACKUP"])
    vault.hangs = True
    thread = threading.Thread(target=lambda: client.chat.completions.create(**HELLO), daemon=True)
    thread.start()
    assert vault.asked.wait(harness.DEADLINE_SECONDS)
    monkeypatch.delenv("VAULT_ADDR")
    assert "Keywright emulator" in in_a_child(lambda: client.chat.completions.create(**HELLO).choices[0].message.content)


def test_a_fork_without_a_key_says_so(emulator, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", emulator.key("openai"))
    client = keywright.OpenAI()
    client.chat.completions.create(**HELLO)
    monkeypatch.delenv("OPENAI_API_KEY")

    def call():
        with pytest.raises(keywright.AuthenticationError) as raised:
            client.chat.completions.create(**HELLO)
        return raised.value.diagnosis.cause, str(raised.value)

    cause, words = in_a_child(call)
    assert cause == "missing_key" and "OPENAI_API_KEY" in words


def test_two_clients_in_threads(emulator, monkeypatch):
    dead, good = emulator.key("openai", "revoked"), emulator.key("openai")
    monkeypatch.setenv("OPENAI_API_KEY", dead)
    monkeypatch.setenv("OPENAI_API_KEY_BACKUP", good)
    clients, failures, answers = [keywright.OpenAI(), keywright.OpenAI()], [], []

    def work(client):
        try:
            answers.extend(client.chat.completions.create(**HELLO) for _ in range(5))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * harness.DEADLINE_SECONDS)
    assert failures == [] and len(answers) == 40
    assert emulator.calls("openai", good) == {200: 40}
    assert emulator.calls("openai", dead)[401] <= 8, "each client may meet the refusal in its four threads at once"


def run(program, tmp_path, **more):
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    environment = {name: value for name, value in os.environ.items()} | more
    return subprocess.run([sys.executable, "app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_interpreter_may_end_during_a_request(emulator, tmp_path):
    """Requests are under way in daemon threads, and in a loop, when the program ends."""
    program = """
    import asyncio, socket, threading
    import keywright
    server = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
    key = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 74
    def call():
        keywright.OpenAI(api_key=key, base_url=url).models.list()
    def call_later():
        asyncio.run(keywright.AsyncOpenAI(api_key=key, base_url=url).models.list())
    for work in (call, call_later):
        threading.Thread(target=work, daemon=True).start()
    server.accept()
    server.accept()
    print("both are under way")
    """
    ended = run(program, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "both are under way\n"), ended.stderr
    assert "panicked" not in ended.stderr and "keywright failed" not in ended.stderr


@pytest.mark.parametrize("version", ["0.28.1", "1.39.0", "4.0.0", "nonsense", ""])
def test_another_version_of_the_sdk_is_refused_with_the_range(tmp_path, version):
    (tmp_path / "openai.py").write_text(f"__version__ = {version!r}\nclass AuthenticationError(Exception): pass\n")
    program = """
    import keywright
    print(keywright.inspect("")[0].cause)
    try:
        keywright.OpenAI
    except ImportError as error:
        print(type(error).__name__, error)
    """
    ended = run(program, tmp_path)
    assert ended.stdout.splitlines()[0] == "empty_key", ended.stderr
    assert f"UnsupportedSDK openai {version} is installed; keywright's clients work with openai>=1.40,<4" in ended.stdout


def test_the_extra_of_the_package_installs_the_range_that_is_told():
    (wanted,) = [wanted for wanted in importlib.metadata.requires("keywright") or () if "extra == 'openai'" in wanted]
    assert wanted.partition(";")[0].strip() == keywright._sdk.SUPPORTED


def test_without_the_sdk_the_range_is_told_too(tmp_path):
    program = """
    import sys
    sys.modules["openai"] = None
    import keywright
    try:
        from keywright.compat.fireworks_ai import FireworksAI
    except ImportError as error:
        print(error)
    try:
        keywright.TogetherAI
    except keywright.UnsupportedSDK as error:
        print(error)
    """
    ended = run(program, tmp_path)
    assert ended.stdout.count("openai>=1.40,<4") >= 1, ended.stdout + ended.stderr
