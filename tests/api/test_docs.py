"""`/docs` loads nothing from other hosts, and its prefilled bodies can be sent."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from verifier_service.api.assets import FOLDER
from verifier_service.app import create_app
from verifier_service.settings import Settings

WITHOUT_EXAMPLE = {"/v1/submissions/batch-get"}
"""What takes ids that a service gave out."""
SOLVED = {
    "/get_reward": '"rewards":[1.0]',
    "/slime": "1.0",
    "/verify": '"reward":1.0',
    "/submit": '"accepted":true',
    "/test_program": '"results":[1,1]',
    "/test_program_stdio": '"results":[1]',
    "/run_code": "cba",
    "/api/v2/execute": "cba",
    "/execute_batch": "45",
    "/judge/batch": '"success":true',
    "/judge/long-batch": '"success":true',
    "/execute": "42",
    "/v1/run": "cba",
}
"""What an answer to an example holds."""


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every path that takes a body, with the bodies that `/docs` prefills."""
    for path, methods in create_app(Settings()).openapi()["paths"].items():
        for method, operation in methods.items():
            if "requestBody" in operation:
                yield f"{method} {path}", operation["requestBody"]["content"]["application/json"].get("examples", {})


BODIES = dict(operations())
SENT = [(label, name) for label, examples in BODIES.items() for name in examples if not label.startswith("put ")]


def test_every_body_has_an_example() -> None:
    assert {label for label, examples in BODIES.items() if not examples} == {f"post {one}" for one in WITHOUT_EXAMPLE}


@pytest.mark.parametrize(("label", "name"), SENT, ids=lambda value: value)
def test_an_example_can_be_sent_as_it_stands(client: httpx.Client, label: str, name: str) -> None:
    path = label.removeprefix("post ")
    answer = client.post(path, json=BODIES[label][name]["value"])
    assert answer.status_code in (200, 202), answer.text
    assert SOLVED.get(path, "") in answer.text.replace(" ", "")
    if path == "/v1/verify":
        assert {one["verdict"] for one in answer.json()["results"]} == {"accepted"}


def test_the_page_is_made_of_what_the_service_has(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len([one for one in named if one != "manual/"]) == 5  # the manual is linked to if it was built
    for address in named:
        assert not address.startswith(("/", "http")), "relative, so that a prefix of a proxy does no harm"
        assert client.get(f"/{address}").status_code == 200, address


def test_nothing_of_a_page_is_fetched_from_another_host(client: httpx.Client) -> None:
    assert "default-src 'none'" in client.get("/docs").headers["Content-Security-Policy"]
    for path in (*FOLDER.rglob("*.html"), *FOLDER.rglob("*.css")):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|@import""", text) == [], path


@pytest.mark.parametrize(
    "path", ["../entrance.py", "%2e%2e/entrance.py", "..%2fentrance.py", "", "swagger-ui", "nowhere"]
)
def test_nothing_beside_the_folder_is_served(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/static/{path}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_browser_gets_a_file_once(client: httpx.Client) -> None:
    first = client.get("/static/swagger-ui/swagger-ui.css")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/swagger-ui/swagger-ui.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_other_page_leads_to_this_one(client: httpx.Client) -> None:
    led = client.get("/redoc")
    assert (led.status_code, led.headers["Location"]) == (307, "docs")


def test_somebody_with_a_key_can_enter_it_on_the_page() -> None:
    document = json.loads(json.dumps(create_app(Settings()).openapi()))
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert {"bearer": []} in document["paths"]["/v1/verify"]["post"]["security"]
