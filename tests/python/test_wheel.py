"""The wheel in an empty virtual environment, and what checks it from outside."""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import harness
import pytest

WHEEL = pathlib.Path(os.environ["KEYWRIGHT_WHEEL"])
TOOLS = os.environ["KEYWRIGHT_PYTHON_TOOLS"]
PACKAGE = harness.ROOT / "crates/keywright-python"


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A virtual environment that holds nothing but the wheel."""
    home = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    install = [TOOLS, "-m", "pip", "--python", home / "bin/python", "install", "--quiet", "--no-index", "--no-deps", WHEEL]
    subprocess.run(install, check=True, env=environment(home))
    return home


def environment(home, **more):
    return harness.surroundings(str(home)) | more


def run(home, *command, stdin="", **more):
    return subprocess.run(
        [str(home / "bin" / command[0]), *command[1:]],
        input=stdin,
        cwd=home,
        env=environment(home, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_is_one_for_every_python(empty):
    assert "-cp310-abi3-" in WHEEL.name
    names = zipfile.ZipFile(WHEEL).namelist()
    assert {"keywright/__init__.py", "keywright/_native.abi3.so", "keywright/_native.pyi", "keywright/py.typed"} <= set(names)


def test_it_is_used_without_any_sdk(empty):
    program = """
import keywright
found = keywright.diagnose("openai.AuthenticationError: Error code: 401 - {'error': {'code': 'account_deactivated'}}")
print(found.cause, keywright.inspect("")[0].cause, keywright.doctor("files").status)
keywright.install()
raise ValueError("mine")
"""
    ended = run(empty, "python", "-c", program)
    assert ended.stdout == "account_deactivated empty_key ok\n", ended.stderr
    assert ended.stderr.endswith("ValueError: mine\n")


TRACE = "openai.AuthenticationError: Error code: 401 - {'error': {'code': 'account_deactivated'}}"

COMMANDS = [
    (["--version"], "", 0),
    (["doctor"], "", 1),
    (["doctor", "--json"], "", 1),
    (["doctor", "nosuch"], "", 2),
    (["explain"], TRACE, 1),
    (["explain", "--json", "-"], TRACE, 1),
    (["explain"], "all is well", 0),
    (["explain"], "openai.APIConnectionError: Connection error.", 3),
    (["explain", "nosuch.log"], "", 2),
    (["explain", "invalid_key"], "", 0),
    (["pages", "list", "--json"], "", 0),
    (["config", "check", "nosuch.toml"], "", 2),
    (["run", "--", "sh", "-c", "exit 7"], "", 125),
    (["keys", "list"], "", 0),
    (["nosuch"], "", 2),
    ([], "", 2),
]


@pytest.mark.parametrize(("arguments", "stdin", "code"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_python_m_keywright_is_the_command_line(empty, arguments, stdin, code):
    """The same words on the same streams, and the same exit code, as the binary and as the script of the wheel."""
    binary = subprocess.run(
        [str(harness.keywright()), *arguments], input=stdin, cwd=empty, env=environment(empty), capture_output=True, text=True, timeout=60
    )
    module = run(empty, "python", "-m", "keywright", *arguments, stdin=stdin)
    script = run(empty, "keywright", *arguments, stdin=stdin)
    assert binary.returncode == code, binary.stderr
    for other in (module, script):
        assert (other.returncode, other.stdout, other.stderr) == (binary.returncode, binary.stdout, binary.stderr)


def test_the_program_of_run_keeps_its_exit_code(empty):
    key = harness.new_key("openai")
    ended = run(empty, "python", "-m", "keywright", "run", "--", "sh", "-c", "echo $OPENAI_API_KEY; exit 7", OPENAI_API_KEY=key)
    assert ended.returncode == 7, ended.stderr
    assert key not in ended.stdout + ended.stderr


def test_doctor_is_that_of_the_command_line(empty):
    program = "import json, keywright; report = keywright.doctor(); print(json.dumps([report.to_dict(), str(report), report.healthy]))"
    value, text, healthy = json.loads(run(empty, "python", "-c", program, OPENAI_API_KEY="sk-your-key-here").stdout)
    command = run(empty, "keywright", "doctor", OPENAI_API_KEY="sk-your-key-here")
    assert text == command.stdout
    assert (value["status"], value["diagnosis"]["cause"], healthy) == ("fail", "placeholder_key", False)


def test_doctor_says_what_is_wrong_with_its_arguments(empty):
    program = """
import keywright
for call in (lambda: keywright.doctor("nosuch"), lambda: keywright.doctor("--fix"), lambda: keywright.doctor(config="nosuch.toml")):
    try:
        call()
    except ValueError as error:
        print(str(error).splitlines()[0])
"""
    ended = run(empty, "python", "-c", program)
    lines = ended.stdout.splitlines()
    assert len(lines) == 3, ended.stderr
    assert "invalid value 'nosuch'" in lines[0] and "invalid value '--fix'" in lines[1] and "cannot read `nosuch.toml`" in lines[2]


def test_types_are_declared_and_hold():
    arguments = [TOOLS, "-m", "mypy", "--no-error-summary", "--python-executable", sys.executable]
    checked = subprocess.run(
        [*arguments, "--cache-dir", str(WHEEL.parent.parent / "mypy"), "python/keywright"],
        cwd=PACKAGE,
        env=environment("/nonexistent"),
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_stub_of_the_native_module_is_true():
    checked = subprocess.run(
        [TOOLS, "-m", "mypy.stubtest", "keywright._native", "--ignore-disjoint-bases"],
        env=environment("/nonexistent", PYTHONPATH=os.environ["PYTHONPATH"]),
        cwd=WHEEL.parent,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
