"""The functions that MkDocs calls while it builds the manual; mkdocs.yml names this file.

The built site loads nothing from another host and holds no inline script, so that the service can serve it under a
strict Content-Security-Policy and a browser can open it from the disk.
"""

import hashlib
import re
from importlib.metadata import distribution
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url, write_file

from manual import dialect
from manual.links import PROJECT_PAGES, ROOT, RepositoryLinks

ASSETS = Path(__file__).parent / "assets"
STATIC = ROOT / "verifier_service/api/static"
"""The files of the page at `/`. The manual uses the same KaTeX and the same icon."""
EQUATION = 'class="arithmatex"'
INLINE_SCRIPT = re.compile(r"<script>(.+?)</script>", re.DOTALL)
UNREAD = re.compile(r"^assets/javascripts/lunr/|\.(?:css|js)\.map$")
"""Half of the theme's size: search support for languages other than English, and source maps."""
WITHOUT_A_USE = frozenset({"404.html", "sitemap.xml"})
"""Templates of the theme that need the site's address, which depends on where the service runs."""

_links = RepositoryLinks()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add extensions that make Python-Markdown read pages like GitHub."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = dialect.slug
    more = [_links, dialect.GitHubTables()]
    config.markdown_extensions.extend(more)  # pyright: ignore[reportArgumentType]  # instances are accepted too
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the project's own pages, KaTeX and the manual's assets to the site, and omit files that are never read."""
    for file in list(files):
        if UNREAD.search(file.src_uri):
            files.remove(file)
    for source, page in PROJECT_PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, "assets/icon.svg", abs_src_path=str(STATIC / "page/icon.svg")))
    for folder, target in ((STATIC / "katex", "assets/katex"), (ASSETS, "assets")):
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            name = f"{target}/{path.relative_to(folder).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    licence = distribution("mkdocs-material").read_text("licenses/LICENSE") or ""
    files.append(File.generated(config, "assets/LICENSE.mkdocs-material", content=licence))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Check a page before it is rendered, and note it for the links, which are rewritten next."""
    del config, files
    _links.page = page.file.src_uri
    dialect.check(markdown, page.file.src_uri)
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Load KaTeX on pages with equations, and move inline scripts into files."""

    def moved(found: re.Match[str]) -> str:
        script = found[1].encode()
        name = f"assets/inline/{hashlib.sha256(script).hexdigest()[:16]}.js"
        write_file(script, f"{config.site_dir}/{name}")
        return f'<script src="{get_relative_url(name, page.url)}"></script>'

    if EQUATION in output:
        katex = get_relative_url("assets/katex", page.url)
        equations = get_relative_url("assets/equations.js", page.url)
        output = output.replace("</head>", f'<link rel="stylesheet" href="{katex}/katex.min.css"></head>')
        scripts = f'<script src="{katex}/katex.min.js"></script><script src="{equations}"></script>'
        output = output.replace("</body>", f"{scripts}</body>")
    return INLINE_SCRIPT.sub(moved, output)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """Omit useless templates: MkDocs does not write a file for an empty one."""
    del config
    return "" if template_name in WITHOUT_A_USE else output_content
