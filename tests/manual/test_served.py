"""`/manual/` over HTTP, with the manual in its folder and without."""

import re
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from verifier_service.app import create_app
from verifier_service.settings import Settings


def client_of(folder: Path) -> TestClient:
    """Return a client of a service that requires a key and has its manual in this folder."""
    app = create_app(Settings(api_key=SecretStr("k" * 40)), manual_folder=folder)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


@pytest.fixture(scope="module")
def served(site: Path) -> TestClient:
    return client_of(site)


def test_the_manual_is_served_without_a_key_and_behind_any_prefix(served: TestClient) -> None:
    led = served.get("/manual")
    assert (led.status_code, led.headers["Location"]) == (307, "manual/")
    start = served.get("/manual/")
    assert (start.status_code, start.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert served.get("/manual/reference/").text == served.get("/manual/reference/index.html").text
    assert re.findall(r'(?:src|href)="/', start.text) == []


def test_every_file_of_the_manual_can_be_had(served: TestClient, site: Path) -> None:
    for path in site.rglob("*"):
        if path.is_file():
            answer = served.head(f"/manual/{path.relative_to(site)}")
            assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), path
            assert answer.content == b""


def test_its_policy_allows_files_of_the_service_and_no_inline_script_or_style(served: TestClient) -> None:
    for path in ("", "reference/api.html", "assets/manual.css"):
        parts = served.get(f"/manual/{path}").headers["Content-Security-Policy"].split("; ")
        policy = {name: value for name, _, value in (part.partition(" ") for part in parts)}
        own = dict.fromkeys(("script-src", "style-src", "font-src", "connect-src", "worker-src"), "'self'")
        none = dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
        assert policy == {**own, **none, "img-src": "'self' data:"}


def test_a_browser_gets_a_file_once(served: TestClient) -> None:
    first = served.get("/manual/")
    assert first.headers["Cache-Control"] == "no-cache"
    again = served.get("/manual/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["../outside", "%2e%2e/outside", "..%2foutside", "%2fetc/passwd", "reference", "nowhere.html", "a%00b"]
)
def test_nothing_outside_of_the_folder_is_served(tmp_path: Path, path: str) -> None:
    (tmp_path / "site" / "reference").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("start")
    (tmp_path / "outside").write_text("not to be read")
    (tmp_path / "site" / "link").symlink_to(tmp_path / "outside")
    served = client_of(tmp_path / "site")
    for one in (path, "link"):
        answer = served.get(f"/manual/{one}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json"), answer.text


def test_where_it_is_not_built_the_answer_says_how_to_build_it(tmp_path: Path) -> None:
    without = client_of(tmp_path)
    for path in ("", "index.html", "reference/api.html"):
        answer = without.get(f"/manual/{path}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert "`make docs` builds it" in answer.json()["detail"]


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_pages_link_to_the_manual_when_it_is_there_and_a_running_service_notices(tmp_path: Path, page: str) -> None:
    key = {"Authorization": f"Bearer {'k' * 40}"}
    client = client_of(tmp_path)
    without = client.get(page, headers=key)
    assert 'href="manual/"' not in without.text
    (tmp_path / "index.html").write_text("built in the meantime")
    having = client.get(page, headers=key)
    assert 'href="manual/"' in having.text
    assert httpx.Headers(without.headers)["Content-Security-Policy"] == having.headers["Content-Security-Policy"]
    (tmp_path / "index.html").unlink()
    again = client.get(page, headers={**key, "If-None-Match": having.headers["ETag"]})
    assert (again.status_code, again.text) == (200, without.text)
