"""The blocks of the book's pages, and what the comment above each says is done with it.

A block stands between fences. The comment directly above it is one of

- `run`: shell or Python, run in the page's session; it must succeed. `run: exit 1` expects that exit code. `run: until "words"` lets it go on
  in the background once it has printed the words.
- `file: NAME`: written to the page's folder. TOML is also checked with `keywright config check`.
- `check`: TOML that `keywright config check` must accept.
- `example: NAME`: Rust; a part of that example of the crate `keywright`, word for word, which is built and run with the tests.
- `output`: what the block before it prints; see `shows`.
- `no-run: why`: not run.

A comment of several lines that begins with `prepare` is shell that a reader has done already, such as making a file.
"""

from __future__ import annotations

import pathlib
import re
import typing

import harness

SOURCES = harness.ROOT / "docs/src"

"""Generated from the program's own words, which its own tests cover."""
GENERATED = SOURCES / "reference"


class Block(typing.NamedTuple):
    line: int
    language: str
    action: str
    detail: str
    text: str


def pages() -> list[pathlib.Path]:
    found = [page for page in sorted(SOURCES.rglob("*.md")) if GENERATED not in page.parents]
    assert found, "the book has no pages"
    return found


def name(page: pathlib.Path) -> str:
    return str(page.relative_to(SOURCES))


def blocks(text: str) -> list[Block]:
    """All blocks of a page, those without a comment included."""
    found, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        if opened := FENCE.fullmatch(lines[at]):
            end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == "```")
            # A comment is at the margin, and so must its block be: what is indented is part of a list and easily missed.
            comment = COMMENT.fullmatch(lines[at - 1]) if at and lines[at].startswith("```") else None
            action, detail = (comment["action"], comment["detail"] or "") if comment else ("", "")
            found.append(Block(at + 1, opened["language"], action, detail, "\n".join(lines[at + 1 : end]) + "\n"))
            at = end
        elif lines[at] == "<!-- prepare":
            end = next(n for n in range(at + 1, len(lines)) if lines[n] == "-->")
            found.append(Block(at + 1, "sh", "run", "", "\n".join(lines[at + 1 : end]) + "\n"))
            at = end
        at += 1
    return found


def fault(block: Block) -> str | None:
    """What is wrong about a block's comment, if anything."""
    needs_detail = {"no-run": "a reason", "file": "a name", "example": "a name"}
    match block.action, block.language:
        case ("", _):
            return "no comment says what is done with it"
        case ("run", language) if language not in ("sh", "python"):
            return f"`{language}` cannot be run"
        case ("example", language) if language != "rust":
            return "only Rust has examples"
        case ("check", language) if language != "toml":
            return "only TOML is checked"
        case ("run", _) if block.detail and not RUN_DETAIL.fullmatch(block.detail):
            return f"`run: {block.detail}` means nothing"
        case (action, _) if action in needs_detail and not block.detail:
            return f"`{action}` wants {needs_detail[action]}"
    return None


def shows(shown: str, printed: str) -> bool:
    """Whether the lines that a page shows stand in what was printed, in this order. `…` stands for anything: in a line for any words,
    alone on a line for any lines. How much space stands somewhere does not count, nor do lines that the page leaves out."""
    rest = iter([one_spaced(line) for line in printed.splitlines()])
    wanted = [line for line in map(one_spaced, shown.splitlines()) if line not in ("", "…")]
    return all(any(re.fullmatch(pattern(line), given) for given in rest) for line in wanted)


def one_spaced(line: str) -> str:
    return " ".join(line.split())


def pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("…"))


FENCE = re.compile(r"\s*```(?P<language>[a-z]*).*")
COMMENT = re.compile(r"<!-- (?P<action>run|file|check|example|output|no-run)(: (?P<detail>.+))? -->")
RUN_DETAIL = re.compile(r'exit \d+|until ".+"')
