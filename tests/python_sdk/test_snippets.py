"""The programs of the error pages that people search for, with one import changed: each broken one explains itself, each
fixed one prints the response. The last test prints the table.
"""

import os
import pty
import subprocess
import sys

import harness
import openai
import pytest

ANSWER = "Keywright emulator"
RESULTS: dict[tuple[str, str], str] = {}

BROKEN, FIXED = "broken", "fixed"

"""Name, kind, program, environment, page. `<valid>` and `<revoked>` are keys in these states."""
PROGRAMS = [
    (
        "fireworks",
        BROKEN,
        """
from keywright.compat.fireworks_ai import FireworksAI

client = FireworksAI()
response = client.generate(prompt="Hello")
print(response)
""",
        {},
        "fireworks_ai.errors.AuthenticationError",
    ),
    (
        "fireworks",
        FIXED,
        """
import os
from keywright.compat.fireworks_ai import FireworksAI

client = FireworksAI(api_key=os.environ['FIREWORKS_API_KEY'])
response = client.generate(prompt="Hello")
print(response)
""",
        {"FIREWORKS_API_KEY": "<valid>"},
        None,
    ),
    (
        "openai",
        BROKEN,
        """
from keywright import OpenAI

client = OpenAI(api_key="wrong_or_missing_key")
response = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
print(response.choices[0].message.content)
""",
        {},
        "openai.AuthenticationError",
    ),
    (
        "openai",
        FIXED,
        """
from keywright import OpenAI

client = OpenAI()
response = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}])
print(response.choices[0].message.content)
""",
        {"OPENAI_API_KEY": "<valid>"},
        None,
    ),
    (
        "together",
        BROKEN,
        """
from keywright.compat.together_ai import TogetherAI

client = TogetherAI(api_key='')
response = client.chat('Hello')
print(response)
""",
        {},
        "together_ai.errors.AuthenticationError",
    ),
    (
        "together",
        FIXED,
        """
import os
from keywright.compat.together_ai import TogetherAI

client = TogetherAI(api_key=os.environ['TOGETHER_API_KEY'])
response = client.chat('Hello')
print(response)
""",
        {"TOGETHER_API_KEY": "<valid>"},
        None,
    ),
    # The workarounds of the pages.
    (
        "openai-revoked",
        BROKEN,
        """
from keywright import OpenAI

print(OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]))
""",
        {"OPENAI_API_KEY": "<revoked>"},
        "openai.AuthenticationError",
    ),
    (
        "fireworks-backup",
        FIXED,
        """
from keywright.compat.fireworks_ai import FireworksAI

print(FireworksAI().generate(prompt="Hello"))
""",
        {"FIREWORKS_API_KEY": "<revoked>", "FIREWORKS_API_KEY_BACKUP": "<valid>"},
        None,
    ),
    (
        "together-caught",
        FIXED,
        """
import os
from keywright.compat.together_ai import TogetherAI, errors

for name in ("TOGETHER_API_KEY", "OTHER_KEY"):
    try:
        print(TogetherAI(api_key=os.environ[name]).chat("Hello"))
        break
    except errors.AuthenticationError as error:
        print("refused:", error.diagnosis.cause, error.diagnosis.page)
""",
        {"TOGETHER_API_KEY": "<revoked>", "OTHER_KEY": "<valid>"},
        None,
    ),
]


def environment(emulator, name, wanted):
    provider = name.partition("-")[0]
    keys = {"<valid>": emulator.key(provider), "<revoked>": emulator.key(provider, "revoked")}
    return dict(os.environ) | {variable: keys[value] for variable, value in wanted.items()}, keys


@pytest.mark.parametrize(("name", "kind", "program", "wanted", "page"), PROGRAMS, ids=[f"{name}-{kind}" for name, kind, *_ in PROGRAMS])
def test_a_program_of_a_page(emulator, tmp_path, name, kind, program, wanted, page):
    surroundings, keys = environment(emulator, name, wanted)
    (tmp_path / "app.py").write_text(program)
    asks = "import runpy, sys, openai\ntry: runpy.run_path('app.py')\nexcept openai.AuthenticationError as error: print(type(error).__name__, error.diagnosis.page, error.diagnosis.cause); raise"
    plain = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60)
    shown = plain.stdout + plain.stderr
    if kind == FIXED:
        assert plain.returncode == 0 and ANSWER in plain.stdout, shown
        RESULTS[name, kind] = "prints the response"
    else:
        caught = subprocess.run([sys.executable, "-c", asks], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60)
        raised, told_page, cause = caught.stdout.split()
        assert plain.returncode == 1 and "AuthenticationError" in plain.stderr, shown
        assert (raised, told_page) == ("AuthenticationError", page)
        # The page is one that `keywright explain` shows.
        command = [str(harness.keywright()), "explain", told_page]
        assert subprocess.run(command, capture_output=True, env=surroundings).returncode == 0
        if sys.version_info >= (3, 11):
            assert f"error[{cause}]" in plain.stderr, "the traceback ends with the diagnosis"
        RESULTS[name, kind] = f"AuthenticationError, {cause}"
    for key in keys.values():
        assert key[12:] not in shown


ASKING = """
import getpass, os
from keywright.compat.fireworks_ai import FireworksAI, errors

key = os.environ["FIREWORKS_API_KEY"]
while True:
    try:
        print(FireworksAI(api_key=key).generate(prompt="Hello"))
        break
    except errors.AuthenticationError as error:
        print(error.diagnosis)
        key = getpass.getpass("key: ")
"""


def test_a_person_is_asked_and_the_program_goes_on(emulator, tmp_path):
    """Catch, ask at the terminal without showing what is typed, retry: no crash."""
    surroundings, keys = environment(emulator, "fireworks", {"FIREWORKS_API_KEY": "<revoked>"})
    (tmp_path / "app.py").write_text(ASKING)
    leader, follower = pty.openpty()
    command = ["setsid", "--ctty", sys.executable, "app.py"]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=surroundings, cwd=tmp_path) as process:
        os.close(follower)
        shown = read_until(leader, b"key: ")
        os.write(leader, keys["<valid>"].encode() + b"\n")
        shown += read_until(leader, ANSWER.encode())
        assert process.wait(harness.DEADLINE_SECONDS) == 0, shown
    os.close(leader)
    assert b"error[invalid_key]" in shown
    for key in keys.values():
        assert key[12:].encode() not in shown
    RESULTS["fireworks-asked", FIXED] = "asks, then prints the response"


def read_until(terminal, end):
    shown = b""
    while end not in shown:
        try:
            shown += os.read(terminal, 4096)
        except OSError as error:
            raise AssertionError(f"the program ended: {shown!r}") from error
    return shown


def test_the_cached_key_serves_when_the_source_hands_out_a_dead_one(emulator, tmp_path):
    """Two runs of one program: the second finds a refused key in its environment, and goes on with the last good one."""
    program = "from keywright import OpenAI\nprint(OpenAI().chat.completions.create(model='gpt-4o-mini', messages=[{'role': 'user', 'content': 'Hello'}]).choices[0].message.content)"
    for value, name in (("<valid>", "first"), ("<revoked>", "second")):
        surroundings, keys = environment(emulator, "openai", {"OPENAI_API_KEY": value})
        ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0 and ANSWER in ended.stdout, f"{name}: {ended.stdout}{ended.stderr}"
    RESULTS["openai-cached", FIXED] = "prints the response"


def test_the_table(capsys):
    """Program × version × result."""
    assert len(RESULTS) >= len(PROGRAMS)
    with capsys.disabled():
        print()
        for (name, kind), result in RESULTS.items():
            print(f"  {name:<18} {kind:<7} openai {openai.__version__:<9} {result}")
