"""Every command, run with a marked key wherever a key can stand. To add a command, add a line to `COMMANDS`."""

from __future__ import annotations

import pathlib
import subprocess
import typing

import canary
import harness
import pytest


class Command(typing.NamedTuple):
    arguments: list[str]
    """Given on standard input."""
    stdin: str = ""
    """The environment holds the keys under their usual names."""
    environment: bool = True
    """And these variables."""
    variables: typing.Mapping[str, str] = {}


"""A proxy that is not there: nothing gets out. Its password is a key."""
NOWHERE = {"HTTPS_PROXY": "http://<together>:<openai>@127.0.0.1:9", "NO_PROXY": "<fireworks>"}


"""Places where nobody listens, whichever way one goes."""
CLOSED = {f"{provider.upper()}_BASE_URL": f"http://127.0.0.1:9/<{provider}>/v1" for provider in harness.PROVIDERS}

"""`<openai>` stands for the marked key."""
COMMANDS = {
    "help": Command(["--help"]),
    "version": Command(["--version"]),
    "no such command": Command(["nosuch"]),
    "config init": Command(["config", "init", "fresh.toml"]),
    "config check": Command(["config", "check", "good.toml"]),
    "config check, loud": Command(["-vv", "config", "check", "good.toml"]),
    "config check as JSON": Command(["config", "check", "good.toml", "--json"]),
    "config check, literal key": Command(["config", "check", "literal.toml"]),
    "config check, literal key, as JSON": Command(["config", "check", "literal.toml", "--json"]),
    "config check, key in the wrong places": Command(["config", "check", "wrong-places.toml"]),
    "config check, key in the wrong places, as JSON": Command(["config", "check", "wrong-places.toml", "--json"]),
    "config check, wrong values": Command(["config", "check", "wrong-values.toml"]),
    "config check, wrong values, as JSON": Command(["config", "check", "wrong-values.toml", "--json"]),
    "config check, broken after the key": Command(["config", "check", "broken.toml"]),
    "config schema": Command(["config", "schema"]),
    "serve, literal key": Command(["serve", "--config", "literal.toml"]),
    "serve, key in the wrong places": Command(["serve", "--config", "wrong-places.toml", "--json"]),
    "serve, wrong values": Command(["serve", "--config", "wrong-values.toml"]),
    "serve, check": Command(["-vv", "serve", "--config", "good.toml", "--check"]),
    "serve, check, as JSON": Command(["serve", "--config", "good.toml", "--check", "--json"]),
    "serve, required and missing": Command(["-vv", "serve", "--config", "good.toml", "--require", "together"]),
    "serve, required and missing, as JSON": Command(["serve", "--config", "good.toml", "--require", "together", "--json"]),
    "serve, live": Command(["-vv", "serve", "--config", "nowhere.toml", "--live", "--require", "openai"]),
    "serve, live, as a log": Command(["serve", "--config", "nowhere.toml", "--live", "--require", "openai", "--log-format", "json"]),
    "serve, helper that is not allowed": Command(["-vv", "serve", "--config", "helper.toml", "--check"]),
    "serve, key as the name of a secret": Command(["-vv", "serve", "--config", "clouds.toml", "--check"]),
    "config allow, key in a helper's arguments": Command(["config", "allow", "helper.toml"]),
    "config deny": Command(["config", "deny", "helper.toml"]),
    "keys add": Command(["keys", "add", "openai", "--json"], stdin="<openai>\n"),
    "keys add, pasted with more": Command(["-vv", "keys", "add", "openai", "--mend"], stdin='export OPENAI_API_KEY="<openai>"'),
    "keys add, key as an argument": Command(["keys", "add", "openai", "<openai>"]),
    "keys add, key as a provider": Command(["keys", "add", "<openai>"]),
    "keys add, key as a name": Command(["keys", "add", "openai", "--name", "<openai>"], stdin="<openai>"),
    "keys add, key as a store": Command(["keys", "add", "openai", "--store", "<openai>"], stdin="<openai>"),
    "keys list": Command(["-vv", "keys", "list"]),
    "keys list as JSON": Command(["keys", "list", "--json"]),
    "keys test, key as a reference": Command(["keys", "test", "<openai>"]),
    "keys test, key in a reference": Command(["keys", "test", "env://<openai>"]),
    "keys rotate, nothing stored": Command(["keys", "rotate", "openai"], stdin="<openai>"),
    "keys rotate, key as an argument": Command(["keys", "rotate", "openai", "<openai>"]),
    "keys rotate, admin API": Command(["-vv", "keys", "rotate", "openai", "--via-admin-api", "--yes", "--json"], variables=NOWHERE),
    "keys rotate, admin API, keys in the wrong places": Command(
        ["keys", "rotate", "fireworks", "--via-admin-api", "--admin-key", "<openai>", "--project", "<fireworks>", "--old-key-id", "<together>"]
    ),
    "keys import, a look": Command(["keys", "import", ".env"]),
    "keys import": Command(["-vv", "keys", "import", "other.env", "--yes", "--json"]),
    "keys import, key as a file": Command(["keys", "import", "<openai>"]),
    "keys export, nothing stored": Command(["keys", "export", "--env"]),
    "keys export, key as a provider": Command(["keys", "export", "--env", "<openai>"]),
    "keys remove, key as a provider": Command(["keys", "remove", "<openai>", "--yes"]),
    "keys issue": Command(["keys", "issue", "app"]),
    "keys history": Command(["keys", "history"]),
    "keys history as JSON": Command(["keys", "history", "openai", "--json"]),
    "keys history, key as a provider": Command(["keys", "history", "<openai>"]),
    "run, environment dumped": Command(["run", "--", "env"]),
    "run, environment and command lines dumped": Command(["run", "--", "sh", "-c", "cat /proc/self/environ /proc/*/cmdline"]),
    "run, loud": Command(["-vv", "run", "--", "true"]),
    "run as JSON": Command(["run", "--json", "--", "true"]),
    "run, live": Command(["-vv", "run", "--live", "--require", "openai", "--", "env"], variables=CLOSED),
    "run, live, as JSON": Command(["run", "--live", "--require", "openai", "--json", "--", "env"], variables=CLOSED),
    "run, live, keys in base URLs": Command(
        ["-vv", "run", "--live", "--", "env"],
        variables=CLOSED | {"OPENAI_BASE_URL": "https://<openai>:<together>@127.0.0.1:9/<fireworks>?<openai>"},
    ),
    "run, nothing that is required": Command(["-vv", "run", "--require", "openai", "--", "env"], variables={"OPENAI_API_KEY": "'<openai>"}),
    "keys test, live": Command(["-vv", "keys", "test"], variables=NOWHERE | CLOSED),
    "run, program that fails": Command(["run", "--", "sh", "-c", "exit 3"]),
    "run, no such program": Command(["run", "--", "./nosuch"]),
    "run, .env only": Command(["run", "--", "env"], environment=False),
    "run, other .env": Command(["run", "--env-file", "other.env", "--", "env"], environment=False),
    "run, key passed through": Command(["run", "--direct", "--", "env"]),
    "run, key printed by the program": Command(["run", "--", "sh", "-c", "cat .env; cat .env >&2"]),
    "run, key in the trace of a program that fails": Command(
        ["run", "--", "sh", "-c", "echo \"httpx.LocalProtocolError: Illegal header value b'Bearer $(cut -d= -f2 .env)\\\\n'\" >&2; exit 1"]
    ),
    "run as JSON, key in the trace of a program that fails": Command(
        ["run", "--json", "--direct", "--", "sh", "-c", "echo \"Incorrect API key provided: $OPENAI_API_KEY.\" >&2; exit 1"]
    ),
    "run, key in base64 printed by the program": Command(["run", "--", "sh", "-c", "base64 -w0 .env"]),
    "emulate, port that is no port": Command(["emulate", "--listen", "<openai>"]),
    "completions": Command(["completions", "bash"]),
    "man": Command(["man"]),
    "explain": Command(["explain", "-"], stdin="openai.AuthenticationError: Illegal header value b'Bearer <openai>\\n'"),
    "explain as JSON": Command(["explain", "--json", "-"], stdin="Incorrect API key provided: <openai>."),
    "doctor": Command(["doctor"]),
    "doctor as JSON": Command(["doctor", "--json"]),
    "doctor, fix shown": Command(["doctor", "--fix", "--env-file", "other.env", "--env-file", "dirty.env"]),
    "doctor, fix written": Command(["doctor", "--fix", "--yes", "--env-file", "other.env", "--env-file", "dirty.env"]),
    "doctor, fix as JSON": Command(["doctor", "--fix", "--yes", "--json", "--env-file", "dirty.env"]),
    "doctor, live": Command(["-v", "doctor", "--live"], variables=NOWHERE),
    "doctor, live, as JSON": Command(["doctor", "--live", "--json"], variables=NOWHERE),
    "doctor, keys in the wrong places": Command(
        ["-v", "doctor", "--live"], variables=NOWHERE | {"ALL_PROXY": "<openai>", "SSL_CERT_FILE": "/<openai>", "all_proxy": "<together>://x"}
    ),
    "pages": Command(["pages", "list"]),
    "pages, key as a page": Command(["pages", "show", "<openai>"]),
    "pages as JSON, key as a page": Command(["pages", "show", "<fireworks>", "--json"]),
    "pages export, key as a folder": Command(["pages", "export", "--html", "out/<openai>/x", "--markdown", "<openai>"]),
    "pages note": Command(["pages", "note", "add", "missing_key", "ours is <openai>, yours?", "--sdk", "openai@1.40.0"]),
    "pages note, from standard input": Command(["pages", "note", "add", "missing_key", "-"], stdin="line\n  key: <together>\n"),
    "pages note as JSON, key of another provider": Command(["pages", "note", "add", "missing_key", "<fireworks>", "--json"]),
    "pages note, key as an SDK": Command(["pages", "note", "add", "missing_key", "x", "--sdk", "openai@<together>", "--json"]),
    "pages note, key as a page": Command(["pages", "note", "list", "<openai>"]),
    "pages note, key as a number": Command(["pages", "note", "remove", "<openai>"]),
    "key as a command": Command(["<openai>"]),
    "key as an option": Command(["run", "--<openai>", "--", "true"]),
    "key as a value": Command(["serve", "--config", "<openai>"]),
    "key as a provider": Command(["run", "--provider", "<openai>", "--", "true"]),
    "key as a required provider": Command(["serve", "--require", "<openai>"]),
}

"""Keys where people really put them, and where nothing expects them."""
FILES = {
    ".env": "OPENAI_API_KEY=<openai>\nFIREWORKS_API_KEY=<fireworks>\nTOGETHER_API_KEY=<together>\n",
    "other.env": "OPENAI_API_KEY='<openai>\nFIREWORKS_API_KEY=<fireworks> # <fireworks>\n=<together>\n<together>\n",
    "dirty.env": (
        "\ufeffOPENAI_API_KEY = 'Bearer <openai>' # <together>\r\n<fireworks> = <openai>\r\n"
        "export FIREWORKS_KEY=\u201c<fireworks>\u201d # <openai>\r\nTOGETHER_API_KEY=\"\u200b<together>\" <together>\r\n"
        "MY_COPY=<openai>\r\nMY_COPY=<openai>\r\n"
    ),
    "good.toml": '[[provider]]\nid = "openai"\nkeys = ["env://OPENAI_API_KEY", "dotenv://.env#OPENAI_API_KEY"]\n',
    "nowhere.toml": (
        '[[provider]]\nid = "openai"\nkeys = ["env://OPENAI_API_KEY", "dotenv://.env#OPENAI_API_KEY"]\n'
        'base_url = "http://127.0.0.1:9/<openai>"\n'
    ),
    "literal.toml": '[[provider]]\nid = "openai"\nkeys = ["<openai>"]\n[[provider]]\nid = "together"\nkeys = ["env://<together>"]\n',
    "clouds.toml": '[[provider]]\nid = "openai"\nkeys = ['
    '"aws-sm://<openai>", "aws-sm://llm#<openai>", "aws-sm://llm?region=<openai>", "aws-ps:///llm/<openai>", "gcp-sm://<openai>/llm", '
    '"gcp-sm://project/llm@<openai>", "azure-kv://team/<openai>", "azure-kv://<openai>/llm", "k8s://apps/<openai>#x", "k8s://apps/llm#<openai>"]\n',
    "helper.toml": '[[provider]]\nid = "openai"\nkeys = ["cmd://print"]\n[helper]\nprint = ["echo", "<openai>"]\n',
    "wrong-places.toml": """\
[gateway]
listen = "<openai>"
<openai> = 1
[[provider]]
id = "<openai>"
base_url = "https://user:<openai>@host/?key=<openai>"
api_key = "<openai>"
keys = "<openai>"
[[virtual_key]]
name = "<openai>"
sha256 = "<openai>"
""",
    "wrong-values.toml": """\
[[provider]]
id = "openai"
base_url = "https://user:<openai>@host/?key=<openai>"
keys = ["env://OPENAI_API_KEY", "vault://<openai>", "dotenv://<openai>", "<fireworks>#<together>"]
[[route]]
model = "<openai>"
to = ["<openai>", "openai/<openai>", "<openai>/gpt"]
[[virtual_key]]
name = "<openai>"
sha256 = "<openai>"
providers = ["<openai>"]
""",
    "broken.toml": '[[provider]]\nid = "openai"\nkeys = ["<openai>\n',
}

"""What `doctor --fix` keeps of the files it mends, for their owner alone."""
BACKUPS = ("dirty.env.bak", "other.env.bak")


@pytest.fixture
def canaries() -> dict[str, canary.Canary]:
    return {provider: canary.Canary(provider, harness.new_key(provider)) for provider in harness.PROVIDERS}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_a_key(name, canaries, tmp_path):
    command = COMMANDS[name]
    for file, text in FILES.items():
        (tmp_path / file).write_text(fill(text, canaries))
        (tmp_path / file).chmod(0o600)
    environment = harness.surroundings(str(tmp_path)) | {"KEYWRIGHT_LOG": "trace", "RUST_BACKTRACE": "1"}
    if command.environment:
        environment |= {f"{provider.upper()}_API_KEY": known.key for provider, known in canaries.items()}
        environment |= {"MY_COPY": canaries["openai"].key, "OPENAI_ORG_ID": "org-x"}
    environment |= {name: fill(value, canaries) for name, value in command.variables.items()}
    arguments = [fill(word, canaries) for word in command.arguments]
    ended = subprocess.run(
        [str(harness.keywright()), *arguments],
        input=fill(command.stdin, canaries).encode(),
        capture_output=True,
        env=environment,
        cwd=tmp_path,
        timeout=harness.DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode != 101, f"a panic\n{ended.stderr.decode()}"
    for known in canaries.values():
        known.must_not_show("standard output", ended.stdout)
        known.must_not_show("standard error", ended.stderr)
        known.must_not_show_in_files(tmp_path, {*FILES, *BACKUPS})
    for backup in filter(pathlib.Path.exists, (tmp_path / name for name in BACKUPS)):
        assert backup.stat().st_mode & 0o777 == 0o600


def test_the_program_that_run_starts_holds_no_key(canaries, tmp_path):
    """Its environment is read from outside: the program itself cannot help to hide anything."""
    environment = harness.surroundings(str(tmp_path))
    environment |= {f"{provider.upper()}_API_KEY": known.key for provider, known in canaries.items()}
    environment |= {"MY_COPY": canaries["openai"].key, "URL": f"https://x/?key={canaries['together'].key}"}
    waits = ["run", "--", "sh", "-c", "echo ready; read line"]
    process = subprocess.Popen(
        [str(harness.keywright()), *waits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    with process:
        assert process.stdout and process.stdout.readline() == b"ready\n", process.stderr and process.stderr.read()
        children = list(canary.descendants(process.pid))
        assert children
        for known in canaries.values():
            known.must_not_show_in_processes(process.pid)
            for child in children:
                known.must_not_show(f"the environment of process {child}", canary.read_process(child, "environ"))
        process.communicate(b"\n")


def fill(text: str, canaries: dict[str, canary.Canary]) -> str:
    for provider, known in canaries.items():
        text = text.replace(f"<{provider}>", known.key)
    return text


def test_the_search_finds_what_it_must():
    """A search that finds nothing proves nothing."""
    known = canary.Canary("openai", harness.new_key("openai"))
    for form, body in canary.echoes(known.key).items():
        with pytest.raises(AssertionError):
            known.must_not_show(form, body)
    known.must_not_show("a mask", f"{known.key[:8]}…{known.key[-4:]}")


def test_the_files_hold_the_keys(canaries):
    """As above: a canary that is never put anywhere sings nowhere."""
    for name, text in FILES.items():
        held = [known for known in canaries.values() if known.key in fill(text, canaries)]
        assert held or name == "good.toml", name
    assert pathlib.Path(harness.keywright()).exists()
