"""What the app needs to know about one stack's endpoints."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from verifier_service.api.access import require_key
from verifier_service.api.compat.refusals import Shape, route_in

TAG = "compatible with "


@dataclass(frozen=True)
class Endpoint:
    """Routes, and the body types to add to the OpenAPI document."""

    router: APIRouter
    bodies: tuple[type[BaseModel], ...]


def router_of(stack: str, shape: Shape) -> APIRouter:
    """Return a router whose routes check keys like those of /v1, and report errors in the stack's shape."""
    return APIRouter(route_class=route_in(shape), dependencies=[Depends(require_key)], tags=[TAG + stack])
