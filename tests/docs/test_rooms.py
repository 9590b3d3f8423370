"""Every file and folder that ARCHITECTURE.md sends a reader to is there."""

from __future__ import annotations

import pathlib
import re

import harness


def test_every_room_is_there() -> None:
    found = list(rooms((harness.ROOT / "ARCHITECTURE.md").read_text()))
    assert len(found) > 100
    assert not [str(room) for room in found if not (harness.ROOT / room).exists()]


def rooms(text: str) -> list[pathlib.PurePath]:
    """The paths in the last column of the tables below `## The rooms`, as the page says that they are meant."""
    found, base, names = [], pathlib.PurePath(), False
    for line in text.splitlines():
        if line.startswith("#"):
            names = line == "## The rooms" or (names and line.startswith("### "))
            base = pathlib.PurePath(line.removeprefix("### ") if line.startswith("### crates/") else "")
        elif names and line.startswith("| "):
            named = re.findall(r"`([^`]+)`", line.split(" | ")[-1])
            found += [base / place(base, name) for name in named]
    return found


def place(base: pathlib.PurePath, name: str) -> str:
    return name if not base.parts or name.startswith(("data/", "python/", "tests/")) else f"src/{name}"


def test_a_lost_room_is_seen() -> None:
    text = "## The rooms\n### crates/keywright\n| a | b |\n| x | `a.rs`, `data/b/` |\n### Beside\n| y | `tests/c/` |\n## After\n| z | `d.rs` |\n"
    assert [str(room) for room in rooms(text)] == ["crates/keywright/src/a.rs", "crates/keywright/data/b", "tests/c"]
