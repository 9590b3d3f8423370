"""Runs an SDK's own suite directly and through the gateway, and compares.

1. The suite runs twice against a mock of the provider. Tests that pass both times are the baseline.
2. It runs through the gateway, which holds the only key that the mock accepts. The whole baseline must pass.
3. Every request must arrive at the mock as it was sent: method, target, headers, body.
4. Every distinct request is sent again, directly and through the gateway. The answers must be equal byte by byte.
5. Proxies with one fault each take the gateway's place. Every fault must be noticed, or the comparison is blind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import typing

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import compare  # noqa: E402
import faults  # noqa: E402
import harness  # noqa: E402


class Suite(typing.NamedTuple):
    package: str
    provider: str
    """The part of an address that the suite expects behind the host."""
    base: str
    """What the mock's routes stand under, when the gateway has put its own part in front."""
    prefix: str
    """Enough of the suite to notice a fault, in seconds."""
    sample: list[str]


SUITES = {
    "openai": Suite(
        "openai", "openai", "/v1", "/v1", ["beta/test_assistants.py", "chat", "test_files.py"]
    ),
}


class Run:
    """One comparison: a suite, its mock and the files they leave."""

    def __init__(self, suite: Suite, tests: pathlib.Path, workers: int, folder: pathlib.Path) -> None:
        self.suite, self.tests, self.workers, self.folder = suite, tests, workers, folder
        self.count = 0

    @contextlib.contextmanager
    def mock(self, *keys: str) -> typing.Iterator[tuple[str, pathlib.Path]]:
        """A mock that accepts these keys; its address and its journal."""
        self.count += 1
        journal = self.folder / f"journal-{self.count}"
        words = [self.suite.package, "--prefix", self.suite.prefix, "--journal", str(journal)]
        with server("mock.py", *words, *(f"--key={key}" for key in keys)) as url:
            yield url, journal

    def pytest(self, base: str, *files: str) -> set[str]:
        """Runs the suite and returns what passed."""
        self.count += 1
        report = self.folder / f"report-{self.count}.xml"
        paths = [f"tests/api_resources/{file}" for file in files] or ["tests/api_resources"]
        options = ["-n", str(self.workers), "-q", "--tb=line", "-o", "addopts=", "-p", "no:cacheprovider", f"--junitxml={report}"]
        environment = os.environ | {"TEST_API_BASE_URL": base, "DEFER_PYDANTIC_BUILD": "false", "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, *paths],
            cwd=self.tests,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return compare.passed(report)

    def baseline(self) -> tuple[set[str], typing.Any]:
        with self.mock(compare.SUITE_KEY, compare.SUITE_ADMIN_KEY) as (url, journal):
            first = self.pytest(url + self.suite.base)
            arrived = compare.journal(journal)
            second = self.pytest(url + self.suite.base)
        return first & second, arrived


def gateway_in_front(suite: Suite, upstream: str, key: str, extra: str = "") -> harness.Gateway:
    """A gateway whose only key comes from its environment."""
    lines = ["[gateway]", 'listen = "127.0.0.1:0"', "[[provider]]", f'id = "{suite.provider}"']
    lines += [f'base_url = "{upstream}"', 'keys = ["env://THE_KEY"]', extra]
    return harness.Gateway("\n".join(lines) + "\n", {"THE_KEY": key})


@contextlib.contextmanager
def server(script: str, *arguments: str) -> typing.Iterator[str]:
    """A helper of this folder that prints its address."""
    process = subprocess.Popen([sys.executable, str(HERE / script), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found, f"{script} did not start"
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def through_the_gateway(run: Run, baseline: set[str], sent: typing.Any) -> list[str]:
    """Everything that is different behind the gateway."""
    suite, key = run.suite, harness.new_key(run.suite.provider)
    troubles = []
    with run.mock(key) as (url, journal), gateway_in_front(suite, url, key) as gateway:
        base = f"{gateway.url}/{suite.provider}{suite.base}"
        lost = baseline - timed("through the gateway", lambda: run.pytest(base))
        troubles += [f"passes directly and not through the gateway: {name}" for name in sorted(lost)[:20]]
        arrived = compare.journal(journal)
        say(f"{sum(arrived.values())} requests arrived, {len(arrived)} of them distinct")
        troubles += compare.differences(sent, arrived)
    odd = compare.odd_requests(suite.prefix)
    with run.mock(compare.SUITE_KEY) as (direct, _), run.mock(key) as (url, _):
        for words in ("", 'paths = "verbatim"'):
            with gateway_in_front(suite, url, key, words) as gateway:
                proxied = f"{gateway.url}/{suite.provider}"
                name = f"replay{' ' * bool(words)}{words}"
                troubles += timed(name, lambda: compare.replay([*sent, *odd], direct, proxied))  # noqa: B023
    return troubles


def controls(run: Run) -> list[str]:
    """Faults that the comparison does not notice, and a faultless proxy that it blames."""
    key = compare.SUITE_KEY
    with run.mock(key, compare.SUITE_ADMIN_KEY) as (url, journal):
        baseline = run.pytest(url + run.suite.base, *run.suite.sample)
        sent = compare.journal(journal)
    troubles = []
    for fault, about in faults.FAULTS.items():
        with run.mock(key, compare.SUITE_ADMIN_KEY) as (url, journal), server("faults.py", fault, url) as proxy:
            lost = baseline - run.pytest(proxy + run.suite.base, *run.suite.sample)
            changed = bool(compare.differences(sent, compare.journal(journal)))
            answers = bool(compare.replay([*sent, *compare.odd_requests(run.suite.prefix)], url, proxy))
        noticed = bool(lost) or changed or answers
        marks = f"{len(lost)} of {len(baseline)} tests lost, requests {word(changed)}, answers {word(answers)}"
        say(f"control {fault:<20} {'red' if noticed else 'green':<6} {marks} ({about})")
        if noticed == (fault == "none"):
            troubles.append(f"control `{fault}` is {'red' if noticed else 'green'}")
    return troubles


def word(changed: bool) -> str:
    return "differ" if changed else "equal"


def timed(name: str, work: typing.Callable[[], typing.Any]) -> typing.Any:
    start = time.monotonic()
    result = work()
    say(f"{name}: {time.monotonic() - start:.0f} s")
    return result


def say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("tests", type=pathlib.Path, help="the unpacked source distribution")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only-controls", action="store_true", help="show that faults are noticed; needs no gateway")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="keywright-conformance-") as folder:
        run = Run(SUITES[options.suite], options.tests.resolve(), options.workers, pathlib.Path(folder))
        troubles = controls(run)
        passes = 0
        if not options.only_controls:
            baseline, sent = timed("directly, twice", run.baseline)
            say(f"{len(baseline)} tests are the baseline")
            assert baseline, "nothing passes directly"
            troubles += through_the_gateway(run, baseline, sent)
            passes = len(baseline)
    for trouble in troubles:
        say(trouble)
    say(f"{passes - min(passes, len(troubles))} passed, {len(troubles)} failed")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
