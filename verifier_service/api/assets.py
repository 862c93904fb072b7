"""The static files of the pages. They ship with the package, so that pages work without any other host."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "static"
REVALIDATED = {"cache-control": "no-cache"}
"""A browser caches a file and checks each time whether it is current."""

router = APIRouter(include_in_schema=False)
_files = StaticFiles(directory=FOLDER)


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
async def static(request: Request, path: str) -> Response:
    """Answer with a file of `static/`. No key is needed: the files contain nothing private.

    Raises:
        HTTPException: 404 if there is no such file.
    """
    return kept(await _files.get_response(path, request.scope))


async def page(request: Request, name: str) -> Response:
    """Return the file `name` of `static/` as the answer, whatever the request's path."""
    return kept(await _files.get_response(name, request.scope))


def kept(response: Response) -> Response:
    """Let browsers cache an answer and revalidate it each time."""
    response.headers.update(REVALIDATED)
    return response
