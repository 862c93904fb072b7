"""An ordinary browser with the page of a real service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page  # pyright: ignore[reportMissingImports]


class Visit:
    """A tab with the page, and the complaints on its console."""

    def __init__(self, profile: BrowserContext, url: str) -> None:
        self.url = url
        self.tab: Page = profile.new_page()
        self.complaints: list[str] = []
        self.tab.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.asked: list[str] = []
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        self.tab.goto(url)
        self.tab.get_by_role("button", name="Fractions").wait_for()  # the page has begun

    def close(self) -> None:
        """Close the tab."""
        self.tab.close()

    def example(self, name: str) -> Visit:
        """Choose an example."""
        self.tab.get_by_role("button", name=name, exact=True).click()
        return self

    def judge(self) -> str:
        """Judge the contents of the form, and return the verdict, or the status if there is none."""
        self.tab.keyboard.press("Control+Enter")
        banner = self.tab.locator("#result[aria-busy=false] .banner")
        banner.wait_for()
        return banner.get_attribute("data-verdict") or banner.get_attribute("data-status") or ""

    def result(self) -> str:
        """Return the visible text of the result."""
        return self.tab.locator("#result").inner_text()

    def fills(self, form: dict[str, object]) -> Visit:
        """Fill the form through a link."""
        self.tab.evaluate(
            """async (form) => {
                const { fitted } = await import(new URL("static/page/state.js", document.baseURI));
                const { packed } = await import(new URL("static/page/share.js", document.baseURI));
                delete document.getElementById("form").dataset.taken;
                location.hash = await packed(fitted(form));
            }""",
            form,
        )
        self.tab.locator("#form[data-taken]").wait_for(state="attached")
        return self


@pytest.fixture(scope="module")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def visit(profile: BrowserContext, verifier_url: str) -> Iterator[Visit]:
    visit = Visit(profile, verifier_url)
    yield visit
    visit.close()
