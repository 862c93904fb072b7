"""The OpenAPI document and the page that shows it.

Routes parse bodies themselves, item by item, so FastAPI does not know the bodies' types; they are added here.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema
from starlette.responses import JSONResponse, RedirectResponse

from verifier_service.api import manual
from verifier_service.api.access import require_key_of_a_reader
from verifier_service.api.browsers import SAFE_METHODS
from verifier_service.api.examples import EXAMPLES
from verifier_service.api.problems import MEDIA_TYPE, TITLES
from verifier_service.schema import Problem, RunRequest, StoredBatchGet, SubmitRequest, Tests, VerifyRequest

LINES = "application/x-ndjson"
router = APIRouter(include_in_schema=False, dependencies=[Depends(require_key_of_a_reader)])

REF = "#/components/schemas/{model}"
BODIES: tuple[type[BaseModel], ...] = (VerifyRequest, SubmitRequest, StoredBatchGet, RunRequest, Problem)


KEY = {"bearer": {"type": "http", "scheme": "bearer", "description": "required if the service has keys"}}


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Return a page on which every path can be read and tried; it loads nothing from other hosts."""
    return await manual.page(request, "docs.html")


@router.get("/redoc")
async def redoc() -> Response:
    """Redirect to `/docs`."""
    return RedirectResponse("docs", 307)


def body(model: type[BaseModel], examples: str | None = None) -> dict[str, Any]:
    """Return the `openapi_extra` of a route with a body of this type.

    The type must be among those passed to `install`. `examples` is the key in `EXAMPLES` if it is not the type's name.
    """
    return _body(model.__name__, examples or model.__name__)


def tests_body() -> dict[str, Any]:
    """Return the `openapi_extra` of a route whose body is tests."""
    return _body("Tests", "Tests")


def _body(model: str, examples: str) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": REF.format(model=model)}}
    if examples in EXAMPLES:
        content["examples"] = {name: {"value": value} for name, value in EXAMPLES[examples].items()}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route for these error statuses."""
    schema = {"$ref": REF.format(model="Problem")}
    return {status: {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


def results(*models: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that can stream its results as lines."""
    index = {"type": "object", "properties": {"index": {"type": "integer"}}, "required": ["index"]}
    one = {"anyOf": [{"$ref": REF.format(model=model.__name__)} for model in models]}
    last = {
        "summary": {"type": "object", "description": "number of results, counts by verdict, and seconds"},
        "problem": {"$ref": REF.format(model="Problem")},
    }
    ends = [{"type": "object", "properties": {name: last[name]}, "required": [name]} for name in last]
    line = {
        "description": "Each line is a result with its index; the last one is a summary, or the problem that ended it.",
        "anyOf": [{"allOf": [index, one]}, *ends],
    }
    return {200: {"content": {LINES: {"schema": line}}}}


def install(app: FastAPI, bodies: Sequence[type[BaseModel]] = ()) -> None:
    """Make `app.openapi()` complete: every reference resolves, and every answer has a schema.

    `bodies` are the body types of other APIs, in addition to ours.
    """

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, (*BODIES, *bodies))
        return app.openapi_schema

    app.openapi = describe


def _document(app: FastAPI, bodies: Sequence[type[BaseModel]]) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    _, requests = models_json_schema([(model, "validation") for model in bodies], ref_template=REF)
    tests = TypeAdapter(Tests).json_schema(ref_template=REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in (*requests["$defs"].items(), *tests.pop("$defs").items(), ("Tests", tests)):
        schemas.setdefault(name, schema)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = KEY
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _add_what_all_answer(method, operation)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _add_what_all_answer(method: str, operation: dict[str, Any]) -> None:
    """Add the errors that occur before a route is reached, and mark the routes that need a key."""
    more = [421] if method.upper() in SAFE_METHODS else [403, 415, 421]
    if "401" in operation["responses"]:
        if "504" not in operation["responses"]:  # a route with 504 answers that instead of 429
            more.append(429)
        operation["security"] = [{name: []} for name in KEY] + [{}]
    for status, answer in problems(*more).items():
        operation["responses"].setdefault(str(status), answer)
    operation["responses"] = dict(sorted(operation["responses"].items()))
