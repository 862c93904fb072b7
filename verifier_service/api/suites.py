"""Kept suites: send the tests of a problem once, and refer to them by their digest from then on."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException

from verifier_service.api import openapi
from verifier_service.api.access import require_key, service_of
from verifier_service.api.body import read_body
from verifier_service.schema import KeptSuite
from verifier_service.schema.patterns import SHA256
from verifier_service.store.suites import missing

router = APIRouter(prefix="/v1/suites", dependencies=[Depends(require_key)])

Digest = Annotated[str, Path(pattern=SHA256, description="SHA-256 of the body as sent, in lower-case hex")]


@router.put("/{sha256}", responses=openapi.problems(400, 401, 409, 413, 422, 503), openapi_extra=openapi.tests_body())
async def keep(request: Request, sha256: Digest) -> KeptSuite:
    """Keep tests for later requests, which refer to them as `"tests": {"sha256": ...}`. Sending them again is fine."""
    return await service_of(request).suites.put(sha256, await read_body(request))


@router.get("/{sha256}", responses=openapi.problems(401, 404, 422))
async def look_up(request: Request, sha256: Digest) -> KeptSuite:
    """Return a kept suite's metadata, or 404 if it is not kept."""
    found = await service_of(request).suites.find(sha256)
    if found is None:
        raise HTTPException(404, f"{sha256}: {missing(sha256)}")
    return found


@router.head("/{sha256}", include_in_schema=False)
async def is_kept(request: Request, sha256: Digest) -> Response:
    """Like GET, without a body."""
    await look_up(request, sha256)
    return Response()
