"""Runs the programs of the error pages as a reader would: with the real SDK, against the emulated provider.

The programs come from `keywright pages show`, so there is one source. What surrounds a program (variables, files) and
what it must do stands in the page's front matter. Keys are made from the page's name, so that traces repeat.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import random
import re
import string
import subprocess
import sys
import tempfile
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

HOME = pathlib.Path(os.environ.get("KEYWRIGHT_TEST_ENV", harness.ROOT / "target/test-env"))

"""What the emulated models say."""
RESPONSE = "Keywright emulator"


class Case(typing.NamedTuple):
    """One program with one version of its SDK."""

    page: str
    snippet: str
    environment: str
    sdk: dict[str, typing.Any]
    program: str
    scene: dict[str, typing.Any]

    @property
    def name(self) -> str:
        return f"{self.page}-{self.snippet}-{self.environment}"

    @property
    def expected(self) -> dict[str, typing.Any]:
        return self.scene | self.scene.get("with", {}).get(self.environment, {})


class Outcome(typing.NamedTuple):
    """What a program did."""

    version: str
    result: str
    """Why this is not what the page says; nothing when it is."""
    problem: str | None
    """The end of stderr, without keys and without what differs between machines."""
    trace: str


def keywright_json(*arguments: str) -> dict[str, typing.Any]:
    command = [str(harness.keywright()), *arguments, "--json"]
    surroundings = harness.surroundings("/nonexistent")
    ended = subprocess.run(command, capture_output=True, env=surroundings, timeout=harness.DEADLINE_SECONDS, check=True)
    return json.loads(ended.stdout)


def pages() -> list[dict[str, typing.Any]]:
    rows = keywright_json("pages", "list")["pages"]
    return [keywright_json("pages", "show", row["name"]) for row in rows]


def cases(shown: typing.Iterable[dict[str, typing.Any]]) -> typing.Iterator[Case]:
    """Every program of every page, with every version of its SDK."""
    shared: set[tuple[str, str]] = set()
    for page in shown:
        for snippet in page["snippets"]:
            of, scenes = page["name"], {snippet["name"]: snippet["scene"]}
            if snippet["scene"] is None:
                if not page["sdk"] or (page["sdk"]["name"], snippet["name"]) in shared:
                    continue
                shared.add((page["sdk"]["name"], snippet["name"]))
                of, scenes = "shared", shared_scenes(snippet["name"], page["sdk"])
            for name, scene in scenes.items():
                for environment in page["sdk"]["environments"]:
                    yield Case(of, name, environment, page["sdk"], snippet["program"], scene)


def shared_scenes(name: str, sdk: dict[str, typing.Any]) -> dict[str, dict[str, typing.Any]]:
    """What the programs that pages share must do."""
    variable = f"{sdk['provider'].upper()}_API_KEY"
    match name:
        case "detection":
            return {
                "detection": {"environment": {variable: "<valid>"}, "logs": "characters, clean"},
                "detection-newline": {"environment": {variable: "<valid>\n"}, "logs": "with characters that no key has"},
                "detection-unset": {"environment": {}, "logs": "not set"},
            }
        case "workaround":
            both = {variable: "<revoked>", f"{variable}_BACKUP": "<valid>"}
            dead = {variable: "<revoked>", f"{variable}_BACKUP": "<expired>"}
            return {
                "workaround": {"environment": both},
                "workaround-no-key": {"environment": dead, "ends": "no key works"},
            }
    raise ValueError(f"no scene for the shared program `{name}`")


def run_all(emulator: harness.Emulator, chosen: list[Case]) -> dict[str, Outcome]:
    """Runs the programs, some at a time: most of each is waiting and importing."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        outcomes = pool.map(lambda case: run(emulator, case), chosen)
        return {case.name: outcome for case, outcome in zip(chosen, outcomes)}


def run(emulator: harness.Emulator, case: Case) -> Outcome:
    keys: dict[str, str] = {}

    def fill(text: str) -> str:
        return re.sub(r"<([a-z_:]+)>", lambda found: key_for(emulator, case, found[1], keys), text)

    with tempfile.TemporaryDirectory(prefix="keywright-page-") as folder:
        environment = surroundings(emulator, case, folder) | {
            name: fill(value) for name, value in case.scene.get("environment", {}).items()
        }
        for name, text in case.scene.get("files", {}).items():
            pathlib.Path(folder, name).write_text(fill(text))
        command = command_of(case, folder)
        try:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                cwd=folder,
                timeout=3 * harness.DEADLINE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(version(case), "did not end", "it did not end", "")
        stdout, stderr = ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
        result, problem = judge(case, ended.returncode, stdout, stderr, keys)
        return Outcome(version(case), result, problem, neutral(stderr, folder, emulator, keys))


def surroundings(emulator: harness.Emulator, case: Case, folder: str) -> dict[str, str]:
    """Only what a program needs: the base URL leads to the emulator, and nothing of the developer's is found."""
    variable, suffix = case.sdk["base_url"]
    if case.environment == "together-2":
        suffix = "/v1"  # 3.x adds it by itself
    base = {variable: f"{emulator.url}/{case.sdk['provider']}{suffix}"}
    return harness.surroundings(folder) | base | {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "NO_PROXY": ""}


def key_for(emulator: harness.Emulator, case: Case, word: str, keys: dict[str, str]) -> str:
    """`<revoked>`: a key in this state at the SDK's provider; `<fireworks:valid>`: at another one."""
    if word not in keys:
        provider, _, state = word.rpartition(":")
        provider = provider or case.sdk["provider"]
        keys[word] = seeded_key(provider, f"{case.name} {word}")
        options = json.loads(case.scene.get("options") or "{}") if state != "valid" else {}
        emulator.set(provider, keys[word], state, **options)
    return keys[word]


def seeded_key(provider: str, seed: str) -> str:
    """A key of the provider's shape that is the same in every run."""
    chosen = random.Random(seed)
    body = "".join(chosen.choice(string.ascii_letters + string.digits) for _ in range(148))
    shapes = {"openai": f"sk-proj-{body[:74]}T3BlbkFJ{body[74:]}", "fireworks": f"fw_{body[:24]}", "together": f"tgp_v1_{body[:43]}"}
    return shapes[provider]


def command_of(case: Case, folder: str) -> list[str]:
    if case.sdk["language"] == "javascript":
        packages = pathlib.Path(os.environ.get("KEYWRIGHT_NODE_PACKAGES", HOME / "node"))
        pathlib.Path(folder, "node_modules").symlink_to(packages / "node_modules")
        script = pathlib.Path(folder, "app.mjs")
        script.write_text(case.program)
        own = packages / "node_modules/.bin/node"
        return [str(own if own.exists() else "node"), script.name]
    script = pathlib.Path(folder, "app.py")
    script.write_text(case.program)
    return [str(interpreter(case.environment)), script.name]


def interpreter(environment: str) -> pathlib.Path:
    return HOME / "python" / environment / "bin/python"


_VERSIONS: dict[tuple[str, str], str] = {}


def version(case: Case) -> str:
    """Package and version, as installed; asked once."""
    key = (case.environment, case.sdk["package"])
    if key not in _VERSIONS:
        if case.sdk["language"] == "javascript":
            packages = pathlib.Path(os.environ.get("KEYWRIGHT_NODE_PACKAGES", HOME / "node"))
            manifest = packages / "node_modules" / case.sdk["package"] / "package.json"
            number = json.loads(manifest.read_text())["version"]
        else:
            question = f"import importlib.metadata as m; print(m.version({case.sdk['package']!r}))"
            asked = [str(interpreter(case.environment)), "-c", question]
            number = subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()
        _VERSIONS[key] = number
    suffix = " (npm)" if case.sdk["language"] == "javascript" else ""
    return f"{case.sdk['package']} {_VERSIONS[key]}{suffix}"


def judge(case: Case, code: int, stdout: str, stderr: str, keys: dict[str, str]) -> tuple[str, str | None]:
    """What it did, and why that is not what the page says."""
    expected = case.expected
    if wanted := expected.get("logs"):
        shows = [key for key in keys.values() if key.strip() in stdout + stderr]
        fine = code == 0 and wanted in stderr and not shows
        return f"logged `{wanted}`", None if fine else f"ended with {code}\n{stdout}{stderr}"
    if wanted := expected.get("ends"):
        fine = code == 1 and wanted in stderr and "Traceback" not in stderr
        return f"ended with `{wanted}`", None if fine else f"ended with {code}\n{stdout}{stderr}"
    raised = exception_of(stderr)
    if wanted := expected.get("raises"):
        result = f"raises `{raised}`" if raised else "raises nothing"
        fine = code != 0 and raised == wanted and expected.get("says", "") in stderr
        return result, None if fine else f"expected {wanted}: {expected.get('says')}\nended with {code}\n{stdout}{stderr}"
    wanted = expected.get("says", RESPONSE)
    fine = code == 0 and wanted in stdout
    return "prints a response", None if fine else f"expected {wanted!r}\nended with {code}\n{stdout}{stderr}"


def exception_of(stderr: str) -> str | None:
    """The class that the last trace names."""
    found = re.findall(r"^(?:\x1b\[[0-9;]*m)*((?:\w+\.)*\w*(?:Error|Exception|ModuleNotFound))(?=[:\s]|$)", stderr, re.MULTILINE)
    return found[-1] if found else None


def neutral(stderr: str, folder: str, emulator: harness.Emulator, keys: dict[str, str]) -> str:
    """The trace, without keys and without what differs between machines and runs."""
    text = stderr
    for key in keys.values():
        for form in {key, key.strip()}:
            text = text.replace(form, f"{form[: form.find('_') + 1] or form[:8]}…{form[-4:]}")
    for provider, host in {
        "openai": "https://api.openai.com",
        "fireworks": "https://api.fireworks.ai/inference",
        "together": "https://api.together.ai",
    }.items():
        text = text.replace(f"{emulator.url}/{provider}", host)
    text = text.replace(f"{folder}/", "").replace(os.path.realpath(folder) + "/", "").replace("file://", "")
    text = re.sub(r'[^\s"(]*/(site-packages|node_modules)/', r"\1/", text)
    text = re.sub(r'"[^"]*/lib/python3\.\d+/', '"lib/python/', text)
    text = re.sub(r"'id': '\w+-\w+-\w+'", "'id': '…'", text)
    text = re.sub(r"\nNode\.js v.*", "", text)
    return shortened(text.strip("\n"))


def shortened(trace: str) -> str:
    """Leaves the middle frames of long traces out, and says so."""
    shown: list[str] = []
    for part in re.split(r"(?m)^(?=Traceback )", trace):
        frames = re.split(r'(?m)^(?=  File ")', part)
        head, frames = frames[0], frames[1:]
        if len(frames) > 5:
            left_out = f"  [{len(frames) - 4} frames]\n"
            frames = [*frames[:2], left_out, *frames[-2:]]
        shown += [head, *frames]
    lines = "".join(shown).splitlines()
    if len(lines) > LONGEST_TRACE:
        lines = [*lines[: LONGEST_TRACE // 2], "[…]", *lines[-LONGEST_TRACE // 2 :]]
    return "\n".join(line.rstrip() for line in lines)


LONGEST_TRACE = 60
