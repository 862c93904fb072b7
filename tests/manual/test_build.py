"""`make docs`: problems that break the build, rewritten links, and pages that load nothing from other hosts."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from manual import dialect
from manual.links import PROJECT_PAGES
from tests.manual.conftest import ROOT, build, copy

BROKEN = {
    "[a](reference/nowhere.md)": "has a link to 'reference/nowhere.md': there is no such file in the repository",
    "[b](reference/api.md#nowhere)": "'reference/api.md#nowhere', but the doc 'reference/api.md' does not contain",
    "[c](#nowhere)": "a link '#nowhere', but there is no such anchor on this page",
    "[d](../deploy/nowhere.yaml)": "has a link to '../deploy/nowhere.yaml': there is no such file in the repository",
    "[e](../../outside.md)": "has a link to '../../outside.md': there is no such file in the repository",
    "[f](/absolute.md)": "has a link to '/absolute.md': there is no such file in the repository",
    "[g](https:/no/host)": "'https:///no/host': an address of another host begins with",
    "![h](pictures/nowhere.png)": "has a link to 'pictures/nowhere.png': there is no such file in the repository",
    "![i](../tests/e2e/code.json)": "has a link to '../tests/e2e/code.json': pictures of the manual are in docs/",
    "[j](../CONTRIBUTING.md#nowhere)": "but the doc 'project/contributing.md' does not contain an anchor '#nowhere'",
    "Text\n- k": "a list needs an empty line before it",
    "- l\n  - m": "a list inside a list is indented by four spaces",
    "| o |  |\n|---|---|\n| `a|b` | 2 |": "a | in the code of a table is written \\|",
    "Text\n| n |  |\n|---|---|\n| 1 | 2 |": "a table needs an empty line before it",
}
LINKS = """# Links

- [Secure](how-to/secure.md#the-docker-socket) and [changes](../CHANGELOG.md)
- [the *rules*](../docker/filter/haproxy.cfg) and [deploy/ray/serve.yaml](../deploy/ray/serve.yaml)
- `[code](nowhere.md)` and http://127.0.0.1:8000/docs

    - an equation: $a_1 * b_1 = c_1$

$$
\\frac{1}{2}
$$

| choice | `a\\|b` |
|---|--:|
| `a_b` | 1 |
"""


class Page(HTMLParser):
    """The resources that a page loads, its links, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.inline: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        had = {name: value or "" for name, value in attrs}
        self.anchors |= {had[name] for name in ("id", "name") if name in had}
        if tag == "a" and "href" in had:
            self.links.append(had["href"])
        elif tag != "a":
            self.loaded += [had[name] for name in ("href", "src", "srcset", "data", "action") if name in had]
        runs = tag == "script" and "src" not in had and had.get("type") != "application/json"
        if runs or tag == "style" or any(name == "style" or name.startswith("on") for name in had):
            self.inline.append(self.get_starttag_text() or "")


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The build's complaints about a page with every kind of mistake."""
    broken = copy(tmp_path_factory.mktemp("broken"))
    (broken / "docs" / "tutorial.md").write_text("# Broken\n\n" + "\n\nNext\n\n".join(BROKEN), encoding="utf-8")
    (broken / "docs" / "orphan.md").write_text("# Not in the nav\n", encoding="utf-8")
    with (broken / "CONTRIBUTING.md").open("a", encoding="utf-8") as contributing:
        contributing.write("\n[z](docs/nowhere.md)\n")
    done = build(broken, broken / "site")
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_fails_the_build(complaints: str, text: str) -> None:
    assert BROKEN[text] in complaints


def test_a_page_that_is_not_in_the_nav_and_a_broken_project_page_fail_the_build(complaints: str) -> None:
    assert 'not included in the "nav" configuration:\n  - orphan.md' in complaints
    assert "CONTRIBUTING.md has a link to 'docs/nowhere.md'" in complaints


def test_links_lead_to_pages_or_become_paths(tmp_path: Path) -> None:
    source = copy(tmp_path)
    (source / "docs" / "tutorial.md").write_text(LINKS, encoding="utf-8")
    done = build(source, source / "site")
    assert done.returncode == 0, done.stderr
    html = (source / "site" / "tutorial.html").read_text(encoding="utf-8")
    for expected in (
        '<a href="how-to/secure.html#the-docker-socket">Secure</a>',
        '<a href="project/changelog.html">changes</a>',
        "<span>the <em>rules</em> (<code>docker/filter/haproxy.cfg</code>)</span>",
        "<code>deploy/ray/serve.yaml</code>",
        "<code>[code](nowhere.md)</code>",
        '<a href="http://127.0.0.1:8000/docs">',
        '<span class="arithmatex">\\(a_1 * b_1 = c_1\\)</span>',
        '<div class="arithmatex">\\[\n\\frac{1}{2}\n\\]</div>',
        "assets/katex/katex.min.js",
        "<code>a|b</code>",
        "<code>a_<wbr />b</code>",
    ):
        assert expected in html


def test_every_page_is_there_with_those_of_the_project(site: Path) -> None:
    docs = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    project = {Path(page).with_suffix(".html") for page in PROJECT_PAGES.values()}
    assert {path.relative_to(site) for path in site.rglob("*.html")} == docs | project


def test_pages_load_only_files_of_the_site_and_hold_no_inline_script_or_style(
    site: Path, pages: dict[Path, Page]
) -> None:
    for path, page in pages.items():
        assert page.inline == [], path
        for address in page.loaded:
            url = urlsplit(address)
            assert not url.scheme, f"{path} loads {address}"
            assert not url.netloc, f"{path} loads {address}"
            assert (path.parent / unquote(url.path)).is_file(), f"{path} loads {address}"
    for sheet in site.rglob("*.css"):
        assert re.findall(r"""url\(["']?(?:https?:)?//|@import""", sheet.read_text(encoding="utf-8")) == [], sheet


def test_links_lead_to_anchors_of_pages_or_to_well_formed_addresses(pages: dict[Path, Page]) -> None:
    """This includes links in HTML, which MkDocs does not check."""
    for path, address in _links(pages):
        url = urlsplit(address)
        if url.scheme:
            assert url.scheme in ("http", "https"), f"{path}: {address}"
            assert url.hostname, f"{path}: {address}"
            continue
        target = (path.parent / unquote(url.path)).resolve() if url.path else path
        assert target.exists(), f"{path}: {address}"
        if url.fragment and target in pages:
            assert unquote(url.fragment) in pages[target].anchors, f"{path}: {address}"


def _links(pages: dict[Path, Page]) -> Iterator[tuple[Path, str]]:
    for path, page in pages.items():
        for address in page.links:
            yield path, address


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Time for many", "time-for-many"),
        ("Tests & checkers, in `code`", "tests--checkers-in-code"),
        ("What's `time_limit_s`?", "whats-time_limit_s"),
        ("NeMo-RL and NeMo-Gym", "nemo-rl-and-nemo-gym"),
    ],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    assert dialect.slug(heading.replace("`", ""), "-") == anchor
