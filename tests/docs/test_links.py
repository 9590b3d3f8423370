"""Every link of the built book leads to a page and a place that exist, and no page asks another host for anything."""

from __future__ import annotations

import functools
import html.parser
import os
import pathlib
import re
import urllib.parse

import harness
import pytest

BOOK = pathlib.Path(os.environ.get("KEYWRIGHT_BOOK", harness.ROOT / "target/book"))
"""mdBook's page for what is not found is written for the root of a server."""
PAGES = sorted(page for page in BOOK.rglob("*.html") if page.name != "404.html")


class Page(html.parser.HTMLParser):
    """What a page links to, what it loads, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attributes if value is not None}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.loads += [values[name] for name in ("src", "data") if name in values]
        if tag == "link" and "href" in values:
            self.loads.append(values["href"])


@functools.cache
def read(page: pathlib.Path) -> Page:
    return Page(page.read_text())


def test_there_is_a_book() -> None:
    assert BOOK / "index.html" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BOOK)))
def test_links_lead_somewhere(page: pathlib.Path) -> None:
    lost = [link for link in read(page).links if not leads(page, link)]
    assert not lost


def leads(page: pathlib.Path, link: str) -> bool:
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return parts.scheme in ("https", "http", "mailto")
    target = page if not parts.path else (page.parent / urllib.parse.unquote(parts.path)).resolve()
    if not target.is_file() or BOOK.resolve() not in target.resolve().parents:
        return False
    place = urllib.parse.unquote(parts.fragment)
    return not place or place in read(target).places


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BOOK)))
def test_a_page_loads_only_what_lies_beside_it(page: pathlib.Path) -> None:
    foreign = [load for load in read(page).loads if urllib.parse.urlsplit(load).netloc]
    assert not foreign


FRONT_DOOR = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/decisions.md", "bench/README.md"]


@pytest.mark.parametrize("name", FRONT_DOOR)
def test_links_from_the_front_door_lead_somewhere(name: str) -> None:
    page = harness.ROOT / name
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    links = [urllib.parse.urlsplit(link) for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    lost = [link.path for link in links if not link.scheme and not (page.parent / link.path).exists()]
    assert not lost


def test_no_style_asks_another_host() -> None:
    for style in BOOK.rglob("*.css"):
        assert not re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", style.read_text()), style


def test_a_lost_link_is_seen(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.BOOK", tmp_path)
    page = tmp_path / "a.html"
    page.write_text('<h1 id="here">A</h1>')
    assert leads(page, "#here") and leads(page, "a.html#here") and leads(page, "https://example.com/x")
    assert not leads(page, "#gone") and not leads(page, "b.html") and not leads(page, "../outside.html")
