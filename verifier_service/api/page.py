"""The page at `/`, on which a person has a submission judged and sees why it got what it got.

It asks for no key, because it holds nothing of anybody's: its reader enters the key, and it sends that along.
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
        "require-trusted-types-for 'script'",  # no text becomes HTML, not even by a mistake of the page
        "trusted-types 'none'",
    ]
)


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Answer with the page."""
    response = await manual.page(request, "page/index.html")
    response.headers["content-security-policy"] = POLICY
    return response
