"""What the endpoints of one stack are to the app."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from verifier_service.api.access import require_key
from verifier_service.api.compat.refusals import Shape, route_in

TAG = "as other stacks ask: "


@dataclass(frozen=True)
class Endpoint:
    """Routes, and the types of the bodies that they read by hand."""

    router: APIRouter
    bodies: tuple[type[BaseModel], ...]


def router_of(stack: str, shape: Shape) -> APIRouter:
    """Return a router whose routes ask for a key as those of /v1 do, and refuse in that shape."""
    return APIRouter(route_class=route_in(shape), dependencies=[Depends(require_key)], tags=[TAG + stack])
