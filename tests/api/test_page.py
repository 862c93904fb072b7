"""The page at `/` as it comes over HTTP; what it does in a browser is in `tests/page`."""

import re
from pathlib import PurePosixPath

import httpx
from pydantic import SecretStr
from starlette.testclient import TestClient

from verifier_service.api.assets import FOLDER
from verifier_service.app import create_app
from verifier_service.settings import Settings


def test_the_page_may_load_what_is_the_services_own_and_runs_no_script_that_stands_in_it(client: httpx.Client) -> None:
    page = client.get("/")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert client.head("/").status_code == 200
    parts = [part.partition(" ") for part in page.headers["Content-Security-Policy"].split("; ")]
    policy = {name: value for name, _, value in parts}
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert {name: value for name, value in policy.items() if name.endswith("-src")} == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "font-src", "img-src", "connect-src"), "'self'"),
    }
    assert policy["require-trusted-types-for"] == "'script'"
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|javascript:", page.text) == []


def test_all_that_the_page_is_made_of_is_there_and_is_named_relative_to_it(client: httpx.Client) -> None:
    """So it works behind a prefix, and loads nothing from other hosts."""
    named = re.findall(r'(?:src|href)="(static/[^"]+)"', client.get("/").text)
    modules = sorted((FOLDER / "page").glob("*.js"))
    imported = {name for one in modules for name in re.findall(r'from "\./([\w-]+\.js)"', one.read_text("utf-8"))}
    assert {PurePosixPath(name).name for name in named} >= {"main.js", "theme.js", "katex.min.js", "base.css"}
    assert imported | {"main.js", "theme.js"} == {one.name for one in modules}
    fonts = re.findall(r"url\(([^)]+)\)", (FOLDER / "katex/katex.min.css").read_text("utf-8"))
    assert len(fonts) == 20
    for path in (*named, *(f"static/page/{name}" for name in imported), *(f"static/katex/{font}" for font in fonts)):
        assert client.head(f"/{path}").status_code == 200, path


def test_no_text_of_the_page_becomes_html() -> None:
    """Trusted Types prevent it in browsers that support them; this test covers the others."""
    for one in (FOLDER / "page").glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", one.read_text("utf-8")
        )
        assert found == [], one.name


def test_the_page_asks_for_no_key_because_it_holds_nothing() -> None:
    keyed = TestClient(create_app(Settings(api_key=SecretStr("k" * 40))), base_url="http://localhost")
    assert [keyed.get(path).status_code for path in ("/", "/static/page/main.js", "/v1/info")] == [200, 200, 401]
