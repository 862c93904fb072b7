"""The page at `/`, where a person has a submission judged and sees the reasons for its verdict.

The page itself needs no key, because it contains nothing private; the reader enters a key, and the page sends it along.
"""

from fastapi import APIRouter, Request, Response

from verifier_service.api import manual

router = APIRouter(include_in_schema=False)

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # the browser refuses to turn text into HTML, even after a mistake here
        "trusted-types 'none'",
    ]
)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Return the page."""
    response = await manual.page(request, "page/index.html")
    response.headers["content-security-policy"] = POLICY
    return response
