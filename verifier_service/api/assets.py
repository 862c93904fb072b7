"""What pages are made of: the files in `static/`, which ship with the package, so that no page asks another host."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static"
REVALIDATED = {"cache-control": "no-cache"}
"""A browser keeps a file and asks each time whether it is still the same."""

router = APIRouter(include_in_schema=False)
_files = StaticFiles(directory=FOLDER)


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
async def static(request: Request, path: str) -> Response:
    """Answer with a file of `static/`, without a key: they are the same everywhere.

    Raises:
        HTTPException: 404, there is none.
    """
    return kept(await _files.get_response(path, request.scope))


async def page(request: Request, name: str) -> Response:
    """Return a page of `static/` as the answer to a request for another path."""
    return kept(await _files.get_response(name, request.scope))


def kept(response: Response) -> Response:
    """Have a browser keep what it got, and ask whether it is still the same."""
    response.headers.update(REVALIDATED)
    return response
