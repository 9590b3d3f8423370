"""Every variable of Keywright's own that the program reads stands on the book's page of variables, and no other."""

from __future__ import annotations

import re

import book
import harness

# A name that ends in `_` is the beginning of several.
VARIABLE = re.compile(r"\bKEYWRIGHT_[A-Z_]*[A-Z]\b")


def test_the_page_lists_the_variables_that_the_program_reads() -> None:
    sources = [file.read_text() for file in harness.ROOT.glob("crates/*/src/**/*.rs")]
    read = {name for text in sources for name in VARIABLE.findall(text)}
    listed = set(re.findall(rf"^\| `({VARIABLE.pattern})`", (book.SOURCES / "variables.md").read_text(), re.MULTILINE))
    assert read and listed == read
