"""Runs all programs of the pages and prints what each did; `--write` records it in the pages' data."""

from __future__ import annotations

import datetime
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import snippets  # noqa: E402
from snippets import harness  # noqa: E402

RECORD = harness.ROOT / "crates/keywright-core/data/pages/verified.toml"


def main(arguments: list[str]) -> int:
    names = [argument for argument in arguments if not argument.startswith("--")]
    chosen = [case for case in snippets.cases(snippets.pages()) if not names or case.page in names]
    with harness.Emulator() as emulator:
        outcomes = snippets.run_all(emulator, chosen)
    failed = [case for case in chosen if outcomes[case.name].problem]
    print_table(chosen, outcomes)
    for case in failed:
        print(f"\n── {case.name}\n{outcomes[case.name].problem}")
    if "--write" in arguments and not failed and not names:
        RECORD.write_text(record(chosen, outcomes))
        print(f"\nwrote {RECORD.relative_to(harness.ROOT)}")
    print(f"\n{len(chosen) - len(failed)} programs do what their pages say, {len(failed)} do not")
    return 1 if failed else 0


def print_table(chosen: list[snippets.Case], outcomes: dict[str, snippets.Outcome]) -> None:
    rows = [(case.page, case.snippet, outcomes[case.name].version, said(outcomes[case.name])) for case in chosen]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]))


def said(outcome: snippets.Outcome) -> str:
    return f"{outcome.result}   NOT what the page says" if outcome.problem else outcome.result


def record(chosen: list[snippets.Case], outcomes: dict[str, snippets.Outcome]) -> str:
    """The file, with the same text for the same results."""
    lines = ["# Written by `cargo xtask pages verify --write`; a test compares it with a fresh run.", ""]
    lines += [f'date = "{datetime.date.today().isoformat()}"']
    traces: dict[str, tuple[str, str]] = {}
    for case in chosen:
        outcome = outcomes[case.name]
        fields = {"page": case.page, "snippet": case.snippet, "sdk": outcome.version, "result": outcome.result}
        lines += ["", "[[run]]", *(f"{name} = {quoted(value)}" for name, value in fields.items())]
        if case.snippet == "broken":
            traces[case.page] = (outcome.version, outcome.trace)  # the newest version comes last
    for page, (sdk, text) in traces.items():
        lines += ["", "[[trace]]", f"page = {quoted(page)}", f"sdk = {quoted(sdk)}", f"text = {quoted_lines(text)}"]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def quoted_lines(text: str) -> str:
    """A multi-line literal where the text allows it: a record should be readable."""
    printable = all(character.isprintable() or character in "\n\t" for character in text)
    return f"'''\n{text}\n'''" if printable and "'''" not in text and not text.endswith("'") else quoted(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
