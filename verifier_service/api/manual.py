"""The manual at `/manual/`: the pages of `docs/` as `make docs` built them. Like the page at `/`, it needs no key."""

import re
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from verifier_service.api import assets

FOLDER = Path(__file__).parent.parent / "manual"
START = "index.html"
NOT_BUILT = (
    "This installation has no manual. In a clone of the repository `make docs` builds it; a wheel that is built "
    "afterwards contains it."
)
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",  # the theme's icons
        "connect-src 'self'",  # the index that the search reads
        "worker-src 'self'",  # the search
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_LINK = re.compile(r'\s*<a href="manual/".*?</a>')

router = APIRouter(include_in_schema=False)


class Manual:
    """A folder that a manual is or will be built into."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._start = folder / START
        self._files = StaticFiles(directory=folder, check_dir=False)

    @property
    def is_built(self) -> bool:
        """Whether the manual is there. A running service notices when it is built."""
        return self._start.is_file()

    async def answer(self, request: Request, path: str) -> Response:
        """Answer with a file of the manual.

        Raises:
            HTTPException: 404 if there is no such file, or no manual at all.
        """
        if not self.is_built:
            raise HTTPException(404, NOT_BUILT)
        if not path or path.endswith("/"):
            path += START
        response = assets.kept(await self._files.get_response(path, request.scope))
        response.headers["content-security-policy"] = POLICY
        return response


@router.api_route("/manual", methods=["GET", "HEAD"])
async def start() -> Response:
    """Redirect to the manual, by an address that a proxy's prefix does not break."""
    return RedirectResponse("manual/", 307)


@router.api_route("/manual/{path:path}", methods=["GET", "HEAD"])
async def manual(request: Request, path: str) -> Response:
    """Answer with a file of the manual."""
    return await _manual_of(request).answer(request, path)


async def page(request: Request, name: str) -> Response:
    """Return a page of `static/`, without its link to the manual if there is none."""
    if _manual_of(request).is_built:
        return await assets.page(request, name)
    return assets.kept(HTMLResponse(_without_link(name)))


@cache
def _without_link(name: str) -> str:
    return _LINK.sub("", (assets.FOLDER / name).read_text(encoding="utf-8"))


def _manual_of(request: Request) -> Manual:
    manual: Manual = request.app.state.manual
    return manual
