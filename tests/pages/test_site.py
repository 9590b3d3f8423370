"""The exported site in a real browser: it reads well with and without JavaScript, and asks nobody for anything."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import harness  # noqa: E402

BROWSER = os.environ.get("KEYWRIGHT_BROWSER", "/usr/bin/chromium")
SCREENSHOTS = pathlib.Path(os.environ.get("KEYWRIGHT_SCREENSHOTS", harness.ROOT / "target/pages"))
MISSION = [
    "openai.AuthenticationError",
    "fireworks_ai.errors.AuthenticationError",
    "together_ai.errors.AuthenticationError",
]


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> pathlib.Path:
    return export(tmp_path_factory.mktemp("export"))


def export(home: pathlib.Path, notes: typing.Sequence[str] = ()) -> pathlib.Path:
    """The site of somebody who added these notes to the first mission page."""
    folder = home / "site"
    added = [["note", "add", MISSION[0], note, "--sdk", "openai@1.40.0"] for note in notes]
    for arguments in [*added, ["export", "--html", str(folder)]]:
        command = [str(harness.keywright()), "pages", *arguments]
        environment = harness.surroundings(str(home))
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=harness.DEADLINE_SECONDS)
    return folder


@pytest.fixture(scope="session")
def browser() -> typing.Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()


class Visit:
    """One reader, and all that the browser had to say or wanted to fetch."""

    def __init__(self, browser: Browser, site: pathlib.Path, **options: typing.Any) -> None:
        self.site = site
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: typing.Any) -> None:
        if not request.url.startswith((self.site.as_uri() + "/", "data:,")):
            self.foreign.append(request.url)

    def open(self, name: str) -> Page:
        self.page.goto(f"{self.site.as_uri()}/{name}")
        return self.page

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert not self.complaints, self.complaints
            assert not self.foreign, self.foreign


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_look_right(browser, site, scheme, width):
    """The screenshots are for people; what a machine can tell of them is checked."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with Visit(browser, site, color_scheme=scheme, viewport={"width": width, "height": 900}) as visit:
        for name in ["index", *MISSION, "whitespace_or_newline", "network"]:
            page = visit.open(f"{name}.html")
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=width > 1000)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the window"
            low = page.evaluate(CONTRAST)
            assert not low, f"{name}, {scheme}: {low}"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(253, 253, 251)") == (scheme == "light"), ground


def test_search_finds_by_any_word(browser, site):
    with Visit(browser, site) as visit:
        page = visit.open("index.html")
        assert shown(page) > 40
        page.keyboard.press("/")
        page.keyboard.type("newline")
        assert "whitespace_or_newline" in names(page)
        assert "region_unsupported" not in names(page)
        page.fill("#query", "Illegal HEADER value")
        assert {"whitespace_or_newline", "empty_key"} <= names(page)
        page.fill("#query", "no page has these words")
        assert shown(page) == 0 and page.is_visible("#nothing")
        page.fill("#query", "newline")
        page.click("text=whitespace_or_newline")
        page.go_back()
        assert page.input_value("#query") == "newline", "the way back leads to what was searched"


def test_everything_is_there_without_javascript(browser, site):
    with Visit(browser, site, java_script_enabled=False) as visit:
        page = visit.open("index.html")
        assert not page.is_visible("#query"), "a search that cannot work is not offered"
        for name in [*MISSION, "missing_key", "assistants_gone"]:
            page.click(f"li > a[href='{name}.html']")
            assert page.inner_text("h1") == name
            assert page.locator("h2").count() >= (10 if name in MISSION else 5)
            page.click("text=Keywright >> nth=0")


def test_every_page_is_whole_and_every_link_leads_somewhere(browser, site):
    files = sorted(site.glob("*.html"))
    assert len(files) > 40
    with Visit(browser, site) as visit:
        for file in files:
            page = visit.open(file.name)
            links = page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))")
            for link in links:
                target, _, part = link.partition("#")
                if link.startswith("https://"):
                    continue
                assert not target or (site / target).is_file(), f"{file.name}: {link}"
                assert not part or page.locator(f"[id='{part}']").count() == 1, f"{file.name}: {link}"
            # What a screen reader needs to find its way.
            for landmark in ["header", "main", "footer", "h1", "html[lang]", "title"]:
                assert page.locator(landmark).count() == 1, f"{file.name}: {landmark}"
            levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => Number(one.tagName[1]))")
            assert all(after - before <= 1 for before, after in zip(levels, levels[1:])), f"{file.name}: {levels}"


def test_a_script_that_comes_from_elsewhere_does_not_run(browser, site, tmp_path):
    """The policy in the page holds even if something slips into the text."""
    text = (site / "missing_key.html").read_text()
    attack = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    (site / "attacked.html").write_text(text.replace("</main>", attack + "</main>"))
    visit = Visit(browser, site)
    page = visit.open("attacked.html")
    assert page.title() != "owned"
    assert any("Content Security Policy" in complaint for complaint in visit.complaints)
    visit.context.close()
    (site / "attacked.html").unlink()


def test_a_note_is_shown_as_the_text_that_it_is(browser, tmp_path):
    note = "<script>document.title = 'owned'</script> & `code` [link](javascript:alert(1))\n<img src=x onerror=alert(1)>"
    with Visit(browser, export(tmp_path, [note, "a second one"])) as visit:
        page = visit.open(f"{MISSION[0]}.html")
        notes = page.locator("section[aria-labelledby=notes]")
        assert [line.strip() for line in note.split("\n")] == notes.locator("p").all_inner_texts()[1:3]
        assert "openai 1.40.0" in notes.locator("h3").first.inner_text()
        assert notes.locator("h3").count() == 2
        assert notes.locator("script, img, a, code").count() == 0
        assert page.title() != "owned"
        page.click("nav >> text=Notes")
        visit.open("missing_key.html")
        assert visit.page.locator("#notes").count() == 0


def test_a_broken_address_breaks_nothing(browser, site):
    with Visit(browser, site) as visit:
        assert shown(visit.open("index.html#q=%E0%A4%A")) >= 0
        assert visit.page.is_visible("#query")


def test_the_contents_are_there_on_a_phone_and_traces_are_whole(browser, site):
    with Visit(browser, site, viewport={"width": 390, "height": 900}) as visit:
        for name in MISSION:
            page = visit.open(f"{name}.html")
            assert page.is_visible("nav >> text=Quick fix")
            wide = "all => all.filter(one => one.scrollWidth > one.clientWidth).length"
            assert page.eval_on_selector_all("pre:has(code.language-text)", wide) == 0


def shown(page: Page) -> int:
    return page.locator("li[data-words]:visible").count()


def names(page: Page) -> set[str]:
    return set(page.locator("li[data-words]:visible code").all_inner_texts())


"""Texts whose contrast with the ground behind them is below 4.5 to 1."""
CONTRAST = """
() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const numbers = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    let ground = element;
    while (ground && numbers(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const [a, b] = [light(numbers(getComputedStyle(element).color)),
                    light(numbers(getComputedStyle(ground ?? document.body).backgroundColor))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${element.tagName} ${element.className}: ${ratio.toFixed(2)}`);
  }
  return low;
}
"""
