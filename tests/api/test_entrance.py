"""What applies to every request: ids, headers, protection from browsers. Real requests to a real service."""

import http.client
import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from verifier_service.api.browsers import Browsers
from verifier_service.settings import Settings

ROOT = Path(__file__).parent.parent.parent
MATH = {"submissions": [{"kind": "math", "completion": "\\boxed{2}", "reference": "2"}]}
JSON = {"content-type": "application/json"}


def test_an_id_that_is_given_comes_back_also_in_errors(client: httpx.Client) -> None:
    for given in ("abc-1", "0" * 128, "a.b_c:d/e+f=@"):
        assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given
    refused = client.post("/v1/verify", content="{", headers={"X-Request-ID": "abc-2"})
    assert (refused.status_code, refused.json()["request_id"]) == (400, "abc-2")
    assert refused.headers["X-Request-ID"] == "abc-2"


@pytest.mark.parametrize("given", [None, "", "0" * 129, "a b", "a\tb", "é", '{"a":1}', "%0a"])
def test_an_id_that_may_not_go_into_a_log_is_replaced(client: httpx.Client, given: str | None) -> None:
    headers = {} if given is None else {b"X-Request-ID": given.encode()}
    made = client.get("/healthz", headers=headers).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_every_answer_has_the_headers_that_tell_browsers_to_keep_off(client: httpx.Client) -> None:
    for path in ("/healthz", "/nowhere", "/v1/info", "/docs", "/metrics"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == ("no-cache" if path == "/docs" else "no-store")
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert ("script-src 'self'" in headers["Content-Security-Policy"]) == (path == "/docs")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:80", "10.1.2.3:8000", "a.localhost"]
)
def test_names_of_this_machine_and_addresses_are_ours(client: httpx.Client, host: str) -> None:
    assert client.get("/v1/info", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_name_that_somebody_pointed_here_is_refused(client: httpx.Client, host: str) -> None:
    refused = client.post("/v1/verify", json=MATH, headers={"Host": host})
    assert refused.status_code == 421
    assert f"Host {host!r}: it must be an IP address, localhost, or a name in VERIFIER_ALLOWED_HOSTS" in refused.text


def test_a_request_without_a_host_is_no_browser(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 80)
    connection.putrequest("GET", "/healthz", skip_host=True)
    connection.putheader("Host", "")
    connection.endheaders()
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    ("allowed", "host", "is_ours"),
    [
        ("verifier, verifier.svc", "verifier:8000", True),
        ("verifier,verifier.svc", "VERIFIER.svc.", True),
        ("verifier", "verifier2", False),
        ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "evilexample.org", False),
        ("*", "anything", True),
        ("", "", True),
    ],
)
def test_names_are_allowed_by_the_settings(allowed: str, host: str, is_ours: bool) -> None:
    refusal = Browsers(Settings(allowed_hosts=allowed)).refusal("GET", [(b"host", host.encode())])
    assert (refusal is None) is is_ours


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "OURS"}, 200),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "Text/Plain; charset=utf-8"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_a_page_of_another_site_cannot_have_anything_judged(
    client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    ours = f"http://{client.base_url.netloc.decode()}"
    headers = {name: ours if value == "OURS" else value for name, value in headers.items()}
    for method, path in (("POST", "/v1/verify"), ("POST", "/v1/run"), ("POST", "/v1/submissions")):
        answer = client.request(method, path, content=json.dumps(MATH), headers=JSON | headers)
        if path == "/v1/verify" or status != 200:
            assert answer.status_code == status, answer.text
    assert client.get("/v1/info", headers=headers).status_code == 200, "what only reads is kept from pages by browsers"


def test_a_page_is_not_told_that_it_may_ask(client: httpx.Client) -> None:
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/v1/verify", headers=preflight)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("options", [[], ["-H", "content-type:"], ["-H", "content-type: application/json"]])
def test_who_forgets_the_type_with_curl_is_served_all_the_same(client: httpx.Client, options: list[str]) -> None:
    command = ["curl", "-s", "--noproxy", "*", f"{client.base_url}/v1/verify", *options, "-d", json.dumps(MATH)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(run.stdout)["results"][0]["verdict"] == "accepted"


def test_a_result_names_what_made_it(client: httpx.Client) -> None:
    code = {"kind": "code", "completion": "x", "tests": {"kind": "stdio", "cases": [{"stdout": ""}]}}
    batch = [MATH["submissions"][0], code, {"kind": "math"}, {"kind": "code", "completion": "", "tests": code["tests"]}]
    results = client.post("/v1/verify", json={"submissions": batch}).json()["results"]
    build = client.get("/v1/info").json()["build"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\+[0-9a-f]{12}", build)
    assert {one["made_by"]["verifier"] for one in results} == {build}
    images = [one["made_by"]["image"] for one in results]
    assert images[0] is images[2] is images[3] is None
    assert re.fullmatch(r"sha256:[0-9a-f]{12}|bubblewrap", images[1])
