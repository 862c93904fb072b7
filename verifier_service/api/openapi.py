"""The OpenAPI document: bodies are read by hand, so their types are added to the document here."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from verifier_service.api.problems import MEDIA_TYPE, TITLES
from verifier_service.schema import Problem, RunRequest, Tests, VerifyRequest

REF = "#/components/schemas/{model}"
BODIES: tuple[type[BaseModel], ...] = (VerifyRequest, RunRequest, Problem)


def body(model: type[BaseModel]) -> dict[str, Any]:
    """Return what a route says of a body of this type; `BODIES` must have it."""
    return _body({"$ref": REF.format(model=model.__name__)})


def tests_body() -> dict[str, Any]:
    """Return what a route says of a body that is tests."""
    return _body({"$ref": REF.format(model="Tests")})


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of the errors that it may answer with."""
    schema = {"$ref": REF.format(model="Problem")}
    return {status: {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def install(app: FastAPI) -> None:
    """Have `app` describe itself completely: every reference resolves, and every answer has its schema."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = describe


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    _, requests = models_json_schema([(model, "validation") for model in BODIES], ref_template=REF)
    tests = TypeAdapter(Tests).json_schema(ref_template=REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in (*requests["$defs"].items(), *tests.pop("$defs").items(), ("Tests", tests)):
        schemas.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document
