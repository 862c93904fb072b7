"""The manual in a browser, served under its policy and opened from the disk, without any other host."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import uvicorn

from tests.conftest import free_port
from verifier_service.app import create_app
from verifier_service.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page  # pyright: ignore[reportMissingImports]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect
expect.set_options(timeout=30_000)

Scheme = Literal["light", "dark"]
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The address of a service with the manual. Its lifespan does not run, because the manual needs no sandbox."""
    port = free_port()
    app = create_app(Settings(), manual_folder=site)
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{port}/manual"
    server.should_exit = True
    thread.join()


class Reader:
    """A tab that records its requests and those that were refused."""

    def __init__(self, browser: Browser, width: int = 1400, scheme: Scheme = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.tab: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("requestfailed", lambda request: self._failed(request.url, request.failure))

    def _failed(self, url: str, failure: str | None) -> None:
        if failure != "net::ERR_ABORTED":  # the reader went on to the next page
            self.complaints.append(f"{url}: {failure}")


@pytest.fixture
def reader(browser: Browser) -> Iterator[Reader]:
    reader = Reader(browser)
    yield reader
    reader.context.close()


@pytest.fixture(params=["served", "from the disk"])
def start(request: pytest.FixtureRequest, served: str, site: Path) -> str:
    return served if request.param == "served" else site.as_uri()


def test_the_search_finds_something_and_equations_are_typeset(reader: Reader, start: str) -> None:
    tab = reader.tab
    tab.goto(f"{start}/explanation/grpo.html")
    equations = tab.locator(".arithmatex").count()
    assert equations > 3
    expect(tab.locator(".arithmatex .katex-html")).to_have_count(equations)
    expect(tab.locator("div.arithmatex .katex-display")).to_have_count(tab.locator("div.arithmatex").count())
    assert tab.locator(".katex-error").count() == 0
    assert tab.evaluate("document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Main'))")
    tab.locator(".md-search__input").click()
    tab.keyboard.type("seccomp")
    found = tab.locator(".md-search-result__link").first
    found.wait_for()
    found.click()
    tab.wait_for_url("**/*h=seccomp*")
    expect(tab.locator("article mark").first).to_have_text("seccomp")
    assert reader.complaints == []
    assert {url for url in reader.asked if not url.startswith((start, "data:"))} == set()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1400, "dark")])
def test_every_page_fits_and_has_nothing_to_complain_of(
    browser: Browser, served: str, site: Path, width: int, scheme: Scheme
) -> None:
    reader = Reader(browser, width, scheme)
    for path in sorted(site.rglob("*.html")):
        reader.tab.goto(f"{served}/{path.relative_to(site)}")
        assert reader.tab.evaluate(WIDE) <= 0, path
        shown = reader.tab.evaluate("document.body.getAttribute('data-md-color-scheme')")
        assert shown == {"light": "default", "dark": "slate"}[scheme], path
        assert reader.complaints == [], path
    reader.context.close()


def test_the_choice_of_colours_is_kept(reader: Reader, served: str) -> None:
    tab = reader.tab
    tab.goto(f"{served}/index.html")
    tab.locator("label.md-header__button[for^=__palette]:visible").click()
    tab.goto(f"{served}/reference/api.html")
    expect(tab.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    assert reader.complaints == []
