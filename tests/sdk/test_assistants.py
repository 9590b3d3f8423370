"""Programs of the time of assistants, through the gateway and under `run`, while keys die and after the shutdown."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import traceback
import typing

import harness
import pytest

pytestmark = pytest.mark.openai

PROGRAM = pathlib.Path(__file__).with_name("assistant_program.py")
STEPS = ["file", "assistant", "thread", "message", "run", "answer", "polled run", "content", "end"]
HOME, OTHER = "proj_home", "proj_other"


@pytest.fixture
def live(emulator: harness.Emulator) -> typing.Iterator[harness.Emulator]:
    """The emulator as before the shutdown."""
    emulator.settings(assistants="live")
    yield emulator
    emulator.settings(assistants="gone")


class Keys:
    """Keys of one account, each with its project."""

    def __init__(self, emulator: harness.Emulator, *projects: str) -> None:
        self.emulator, self.projects = emulator, projects
        self.values = [emulator.key("openai", project=project) for project in projects]

    def revoke(self, number: int) -> None:
        self.emulator.set("openai", self.values[number], "revoked", project=self.projects[number])

    def calls(self, number: int) -> dict[int, int]:
        return self.emulator.calls("openai", self.values[number])

    @property
    def environment(self) -> dict[str, str]:
        return {f"KEY_{number}": value for number, value in enumerate(self.values)}

    def configuration(self) -> str:
        rows = ", ".join(f'{{ ref = "env://KEY_{number}", project = "{name}" }}' for number, name in enumerate(self.projects))
        place = f'[[provider]]\nid = "openai"\nbase_url = "{self.emulator.url}/openai"\nkeys = [{rows}]\n'
        return f'[gateway]\nlisten = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\n{place}'

    def gateway(self) -> harness.Gateway:
        return harness.Gateway(self.configuration(), self.environment)

    def must_not_show(self, text: str) -> None:
        for value in self.values:
            assert value not in text


class Running:
    """The program, step by step."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: str) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=harness.surroundings(folder) | environment,
            cwd=folder,
            text=True,
        )

    def reach(self, step: str) -> None:
        """Lets it go on to before this step."""
        for line in self.process.stdout or ():
            if line.strip() == step:
                return
            self.go_on()
        pytest.fail(f"ended before {step}: {self.process.communicate()[1]}")

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self) -> tuple[int, str, str]:
        """Lets it go on to its end: exit code, what it printed, what it complained."""
        lines = "\n" * len(STEPS)
        printed, complained = self.process.communicate(lines, timeout=harness.DEADLINE_SECONDS)
        return self.process.returncode, printed, complained


@contextlib.contextmanager
def behind(gateway: harness.Gateway) -> typing.Iterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        variables = {"OPENAI_BASE_URL": f"{gateway.url}/openai/v1", "OPENAI_API_KEY": "unused"}
        running = Running([sys.executable, str(PROGRAM)], variables, folder)
        try:
            yield running
        finally:
            running.process.kill()
            running.process.communicate()


@contextlib.contextmanager
def under_run(keys: Keys) -> typing.Iterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "keywright.toml").write_text(keys.configuration())
        command = [str(harness.keywright()), "run", "--config", "keywright.toml", "--", sys.executable, str(PROGRAM)]
        running = Running(command, keys.environment, folder)
        try:
            yield running
        finally:
            running.process.terminate()
            running.process.communicate()


@pytest.mark.parametrize("step", ["assistant", "message", "run", "polled run", "content"])
def test_a_key_that_dies_before_any_step_is_replaced_by_one_of_its_project(live, step):
    keys = Keys(live, HOME, HOME, OTHER)
    with keys.gateway() as gateway, behind(gateway) as program:
        program.reach(step)
        keys.revoke(0)
        code, printed, complained = program.finish()
    assert code == 0, complained
    assert "said: " in printed
    assert keys.calls(1)[200] >= 1
    assert keys.calls(2) == {}, "a key of another project cannot see what the program made"


def test_under_run_a_dead_key_is_replaced_too(live):
    keys = Keys(live, HOME, HOME, OTHER)
    with under_run(keys) as program:
        program.reach("message")
        keys.revoke(0)
        code, printed, complained = program.finish()
    assert (code, "said: " in printed) == (0, True), complained
    assert keys.calls(2) == {}
    keys.must_not_show(printed + complained)


@pytest.mark.parametrize(
    ("step", "object_name"),
    [("assistant", "file-"), ("message", "thread_"), ("run", "thread_"), ("polled run", "thread_"), ("content", "file-")],
)
def test_a_key_of_another_project_is_not_tried_and_the_reason_is_told(live, step, object_name):
    keys = Keys(live, HOME, OTHER)
    with keys.gateway() as gateway, behind(gateway) as program:
        program.reach(step)
        keys.revoke(0)
        code, _, complained = program.finish()
    assert code == 1
    assert "InternalServerError: Error code: 503" in complained
    assert f"The request names `{object_name}" in complained
    assert f"only keys of the project `{HOME}` can see" in complained
    assert "belongs to another project" in complained
    assert keys.calls(1) == {}
    keys.must_not_show(complained)


def test_under_run_the_reason_stands_below_what_the_program_wrote(live):
    keys = Keys(live, HOME, OTHER)
    with under_run(keys) as program:
        program.reach("run")
        keys.revoke(0)
        code, _, complained = program.finish()
    assert code == 1
    assert "error[revoked_or_rotated]" in complained
    assert "belongs to another project" in complained
    assert keys.calls(1) == {}
    keys.must_not_show(complained)


# ── After the shutdown ───────────────────────────────────────────────────────────────────────────────────────────

DEAD_CALLS = {
    "assistant": lambda beta: beta.assistants.create(model="gpt-4o-mini"),
    "thread": lambda beta: beta.threads.create(),
    "message": lambda beta: beta.threads.messages.create("thread_1", role="user", content="Hello"),
    "run": lambda beta: beta.threads.runs.create("thread_1", assistant_id="asst_1"),
    "streamed run": lambda beta: beta.threads.runs.create("thread_1", assistant_id="asst_1", stream=True),
    "list": lambda beta: beta.assistants.list(),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("call", DEAD_CALLS)
def test_a_dead_call_is_told_as_the_shutdown(stage, call):
    with pytest.raises(stage.sdk.sdk.NotFoundError) as raised:
        DEAD_CALLS[call](stage.client().beta)
    error = raised.value
    headers = error.response.headers
    assert (headers["x-keywright-cause"], headers["x-keywright-attempts"]) == ("assistants_gone", "1")
    assert headers["x-keywright-origin"] == "provider", "the 404 is OpenAI's"
    assert "shut down on 2026-08-26" in str(error)
    assert "Move to the Responses API" in str(error)
    assert stage.calls(stage.keys[0]) == {404: 1}
    assert stage.calls(stage.keys[1]) == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_dead_call_changes_no_key(emulator, sdk):
    keys = Keys(emulator, HOME, HOME)
    with keys.gateway() as gateway:
        client = sdk.client(gateway.url, "unused")
        before = health(gateway)
        for call in DEAD_CALLS.values():
            with pytest.raises(sdk.sdk.NotFoundError):
                call(client.beta)
        assert health(gateway) == before
        assert len(before) == len(keys.values)
        assert sdk.chat(client).choices[0].message.content
    assert keys.calls(0) == {404: len(DEAD_CALLS), 200: 1}
    assert keys.calls(1) == {}


def health(gateway: harness.Gateway) -> list[str]:
    """What the metrics tell of each key's state."""
    metrics = harness.request(gateway.admin_url, "GET", "/metrics").text
    return [line for line in metrics.splitlines() if line.startswith("keywright_key_state{") and line.endswith(" 1")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("way", ["through the gateway", "directly"])
def test_explain_says_the_same_of_the_exception(stage, way):
    if way == "directly":
        client = stage.sdk.client(stage.emulator.url, stage.keys[0])
    else:
        client = stage.client()
    try:
        client.beta.assistants.create(model="gpt-4o-mini")
        pytest.fail("the call is dead")
    except stage.sdk.sdk.NotFoundError:
        text = traceback.format_exc()
    found = explained(text)
    assert (found["verdict"], found["cause"], found["provider"]) == ("not_auth", "assistants_gone", "openai")
    assert any("Responses API" in fix["says"] for fix in found["fixes"])


def explained(text: str) -> dict[str, typing.Any]:
    answer = subprocess.run(
        [harness.keywright(), "explain", "--json", "--text-only"],
        input=text,
        capture_output=True,
        text=True,
        env=harness.surroundings("/nonexistent"),
        timeout=harness.DEADLINE_SECONDS,
    )
    return json.loads(answer.stdout)


def test_under_run_the_shutdown_stands_below_what_the_program_wrote(emulator):
    keys = Keys(emulator, HOME, HOME)
    with under_run(keys) as program:
        code, _, complained = program.finish()
    assert code == 1
    assert "error[assistants_gone]: the Assistants API was shut down on 2026-08-26" in complained
    assert "the key is not to blame" in complained
    assert "revoked" not in complained
    assert keys.calls(1) == {}
    keys.must_not_show(complained)
