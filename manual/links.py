"""Links that work on GitHub, where they lead to files of the repository, and in the manual, which has only pages."""

import logging
import posixpath
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

log = logging.getLogger("mkdocs.manual.links")

ROOT = Path(__file__).parent.parent
DOCS = "docs/"
PROJECT_PAGES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
    "sandboxes/README.md": "project/sandboxes.md",
    "examples/README.md": "project/examples.md",
}
"""Pages outside of docs/ that the manual has too, and where: see `nav` in mkdocs.yml."""
AFTER_INLINE = 10
"""Run after link elements are created (20), but before MkDocs' own check of links (0)."""


class RepositoryLinks(Extension):
    """Rewrites the links of the page that is rendered next, and warns of broken ones.

    A link to another page of the manual leads there. A link to any other file becomes the file's path as code, because
    the manual does not have that file: `[the rules](../../docker/filter/haproxy.cfg)` becomes
    the rules (`docker/filter/haproxy.cfg`).
    """

    page = ""
    """The page's path in the site's sources, such as `how-to/secure.md`."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register with a Markdown parser. Each page gets a new one."""
        md.treeprocessors.register(_Links(md, self.page), "repository_links", AFTER_INLINE)


class _Links(Treeprocessor):
    def __init__(self, md: Markdown, page: str) -> None:
        super().__init__(md)
        self._page = page
        sources = {site: source for source, site in PROJECT_PAGES.items()}
        self._source = sources.get(page, DOCS + page)

    def run(self, root: Element) -> None:
        """Rewrite the links of one page."""
        for element in list(root.iter()):
            for attribute in ("href", "src"):
                address = element.get(attribute)
                if address is not None and not address.startswith("\x02"):  # an e-mail address, which is masked
                    self._rewrite(element, attribute, address)

    def _rewrite(self, element: Element, attribute: str, address: str) -> None:
        url = urlsplit(address)
        if url.scheme or url.netloc:
            self._check_external(url)
        elif url.path:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(self._source), unquote(url.path)))
            if path.startswith(("/", "..")) or not (ROOT / path).exists():
                self._warn(address, "there is no such file in the repository")
            if (page := _page_of(path)) is not None:
                fragment = f"#{url.fragment}" if url.fragment else ""
                element.set(attribute, posixpath.relpath(page, posixpath.dirname(self._page) or ".") + fragment)
            elif attribute == "href":
                _as_code(element, path)
            else:
                self._warn(address, "pictures of the manual are in docs/")

    def _check_external(self, url: SplitResult) -> None:
        complete = url.hostname if url.scheme in ("http", "https") else url.scheme == "mailto" and "@" in url.path
        if not complete:
            self._warn(url.geturl(), "an address of another host begins with https://HOST, http://HOST or mailto:")

    def _warn(self, address: str, reason: str) -> None:
        log.warning("%s has a link to '%s': %s", self._source, address, reason)


def _page_of(path: str) -> str | None:
    """Return the site's page for a file of the repository, or None."""
    if path.startswith(DOCS) and (ROOT / path).is_file():
        return path.removeprefix(DOCS)
    return PROJECT_PAGES.get(path)


def _as_code(element: Element, path: str) -> None:
    """Turn a link into the path as code, with the link's text before it unless that is the path already."""
    text = "".join(element.itertext()).strip()
    element.attrib.clear()
    if text in (path, posixpath.basename(path), f"{path}/"):
        for child in list(element):
            element.remove(child)
        element.tag, element.text = "code", AtomicString(path)
        return
    element.tag = "span"
    if len(element):
        element[-1].tail = f"{element[-1].tail or ''} ("
    else:
        element.text = f"{element.text or ''} ("
    code = SubElement(element, "code")
    code.text, code.tail = AtomicString(path), ")"
