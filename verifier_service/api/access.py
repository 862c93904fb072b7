"""Who may ask, and what they reach: the key, and the service behind the app."""

import secrets

from fastapi import Request
from starlette.exceptions import HTTPException

from verifier_service.service import Service
from verifier_service.settings import Settings


def service_of(request: Request) -> Service:
    """Return the service that the app's lifespan started."""
    return request.app.state.service


def require_key(request: Request) -> None:
    """Refuse a request without the key, if the settings ask for one.

    Raises:
        HTTPException: 401.
    """
    settings: Settings = request.app.state.settings
    if settings.api_key is None:
        return
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not secrets.compare_digest(given.encode(), settings.api_key.encode()):
        raise HTTPException(401, "send the header `Authorization: Bearer <key>`", {"WWW-Authenticate": "Bearer"})
