"""`/docs` in a browser: it loads without other hosts, and its prefilled requests work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext  # pyright: ignore[reportMissingImports]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect


def test_a_path_is_tried_with_its_example_and_nothing_comes_from_another_host(
    profile: BrowserContext, verifier_url: str
) -> None:
    tab = profile.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    tab.goto(f"{verifier_url}/docs")
    tab.get_by_role("button", name="Authorize").wait_for()
    path = tab.locator(".opblock", has_text="/v1/verify").first
    path.locator(".opblock-summary-control").click()
    path.get_by_role("button", name="Execute").click()
    expect(path.locator(".live-responses-table").first).to_contain_text('"verdict": "accepted"')
    tab.get_by_role("button", name="Authorize").first.click()
    tab.locator(".auth-container input").first.fill("a key")
    tab.locator(".auth-btn-wrapper .authorize").first.click()
    assert tab.evaluate("localStorage.getItem('authorized')") is None, "a key is forgotten with its tab"
    tab.close()
    assert complaints == []
    assert {url for url in asked if not url.startswith((verifier_url, "data:"))} == set()
