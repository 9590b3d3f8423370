"""Every block of the book is run as a reader would, in the order of its page; what it shows is what is printed."""

from __future__ import annotations

import pathlib
import shlex
import typing

import book
import harness
import pytest
import session

PAGES = book.pages()


@pytest.fixture
def reader() -> typing.Iterator[session.Session]:
    running = session.Session()
    yield running
    running.close()


@pytest.mark.parametrize("page", PAGES, ids=book.name)
def test_every_block_says_what_is_done_with_it(page: pathlib.Path) -> None:
    faults = [f"line {block.line}: {fault}" for block in book.blocks(page.read_text()) if (fault := book.fault(block))]
    assert not faults, "\n".join([book.name(page), *faults])


def has_work(page: pathlib.Path) -> bool:
    return any(block.action not in ("", "no-run") for block in book.blocks(page.read_text()))


@pytest.mark.parametrize("page", list(filter(has_work, PAGES)), ids=book.name)
def test_a_reader_gets_what_the_page_shows(page: pathlib.Path, reader: session.Session) -> None:
    printed = ""
    for block in book.blocks(page.read_text()):
        where = f"{book.name(page)}, line {block.line}"
        match block.action:
            case "run":
                printed = run(reader, block, where)
            case "file":
                (reader.folder / block.detail).write_text(block.text)
                if block.language == "toml":
                    check(reader, block.detail, where)
            case "check":
                (reader.folder / "fragment.toml").write_text(block.text)
                check(reader, "fragment.toml", where)
                (reader.folder / "fragment.toml").unlink()
            case "example":
                source = harness.ROOT / f"crates/keywright/examples/{block.detail}.rs"
                assert block.text in source.read_text(), f"{where}: this does not stand in {source}"
            case "output":
                assert book.shows(block.text, printed), f"{where}: this was printed\n{printed}"


def run(reader: session.Session, block: book.Block, where: str) -> str:
    text = block.text if block.language == "sh" else f"python -c {shlex.quote(block.text)}\n"
    kind, _, detail = block.detail.partition(" ")
    if kind == "until":
        return reader.run_until(text, detail.strip('"')).printed
    ran = reader.run(text)
    assert ran.code == (int(detail) if kind == "exit" else 0), f"{where}: exit code {ran.code}\n{ran.printed}"
    return ran.printed


def check(reader: session.Session, file: str, where: str) -> None:
    ran = reader.run(f"keywright config check {shlex.quote(file)}\n")
    assert ran.code == 0, f"{where}\n{ran.printed}"


# ── The rules themselves ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_block_without_a_comment_is_a_fault() -> None:
    (bare,) = book.blocks("Text.\n\n```sh\ntrue\n```\n")
    assert book.fault(bare)
    (excused,) = book.blocks("<!-- no-run -->\n```sh\ntrue\n```\n")
    assert book.fault(excused)
    (indented,) = book.blocks("- item\n\n  ```sh\n  true\n  ```\n")
    assert book.fault(indented)
    (right,) = book.blocks("<!-- run: exit 3 -->\n```sh\nexit 3\n```\n")
    assert book.fault(right) is None
    assert (right.detail, right.text) == ("exit 3", "exit 3\n")


@pytest.mark.parametrize(
    ("shown", "matches"),
    [
        ("one\nthree\n", True),
        ("…\ntwo …\n…\n", True),
        ("three\none\n", False),
        ("tw\n", False),
        ("four\n", False),
    ],
)
def test_what_is_shown_is_compared_line_by_line(shown: str, matches: bool) -> None:
    assert book.shows(shown, "one\n  two words\nthree\n") is matches


def test_a_session_keeps_what_a_block_does_and_tells_what_failed(reader: session.Session) -> None:
    assert reader.run("export KEPT=yes\ncd /\n").code == 0
    assert reader.run("echo $KEPT $PWD\n").printed == "yes /\n"
    assert reader.run("false\ntrue\n").code == 1
    assert reader.run("(exit 7)\n").code == 7
    assert "begun" in reader.run_until("echo begun\nsleep 600\n", "begun").printed
