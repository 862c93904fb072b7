"""The OpenAPI document is complete, is committed, and describes what the service really answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from verifier_service.api.compat.endpoint import TAG
from verifier_service.app import create_app
from verifier_service.settings import Settings

COMMITTED = Path(__file__).parent.parent.parent / "docs" / "openapi.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    positive_data_acceptance,
]
"""All but `negative_data_rejection`: an invalid item is that item's result here, and not a refusal of the request."""
EXAMPLES = 50
EXAMPLES_OF_FOREIGN = 8


def is_foreign(operation: dict[str, Any]) -> bool:
    """Return whether a route speaks the format of another stack, which reports failures in its own way."""
    return any(tag.startswith(TAG) for tag in operation.get("tags", ()))


def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_the_document_is_valid_and_every_reference_resolves() -> None:
    described = document()
    validate(described)
    references = set(_references(described))
    assert {one for one in references if not one.startswith("#/components/schemas/")} == set()
    assert {one.rsplit("/", 1)[1] for one in references} <= described["components"]["schemas"].keys()


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [one for value in node.values() for one in _references(value)]
    return [one for value in node for one in _references(value)] if isinstance(node, list) else []


def test_every_answer_has_its_schema() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if status == "204":  # there is nothing to say
                    continue
                for content in answer["content"].values():
                    assert content["schema"] not in ({}, {"type": "object"}), f"{method} {path} {status}"


def test_every_error_is_a_problem_document() -> None:
    for operations in document()["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and "Readiness" not in json.dumps(answer) and not is_foreign(operation):
                    assert list(answer["content"]) == ["application/problem+json"]


def test_the_committed_document_is_that_of_the_code() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == document(), "run: make reference"


OPERATIONS = {
    operation.label: operation
    for result in schemathesis.openapi.from_dict(document()).get_all_operations()
    if isinstance(result, Ok) and (operation := result.ok())
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_the_service_answers_is_what_the_document_says(verifier_url: str, label: str) -> None:
    """Requests generated from the document, most of them strange, are answered as it says, without server errors."""

    foreign = is_foreign(OPERATIONS[label].definition.raw)

    @settings(
        max_examples=EXAMPLES_OF_FOREIGN if foreign else EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture],
    )
    @given(case=OPERATIONS[label].as_strategy())
    def ask(case: Any) -> None:
        checks = list(CHECKS)
        # The operator decides which hosts may be called, and an idempotency key can have been used with another body.
        callback = case.body.get("callback_url") if isinstance(case.body, dict) else None
        if foreign or callback is not None or "idempotency-key" in (case.headers or {}):
            checks.remove(positive_data_acceptance)
        case.call_and_validate(base_url=verifier_url, checks=checks, timeout=120)

    ask()
