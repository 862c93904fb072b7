"""The page of the endpoints: endpoints.md, from the OpenAPI document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pydantic.json_schema import JsonSchemaValue

from manual.reference import wire
from manual.reference.markdown import anchor, join, prose, table
from manual.reference.sections import Section
from verifier_service.api.compat import ENDPOINTS
from verifier_service.api.compat.endpoint import TAG
from verifier_service.app import create_app
from verifier_service.schema.described import Titles, described_type, shown_default
from verifier_service.schema.patterns import PATTERN_WORDS
from verifier_service.settings import Settings

HEAD = """# Endpoints

Every path of the service: what it does, what to send, what comes back, and whether it needs a key. You need this page
when you write a client without ours. [The API](api.md) says how batches, streams and durable submissions work;
[Requests](requests.md) and [Results](results.md) have the fields.

"Key" means `Authorization: Bearer KEY`, where the service has keys. Each list of statuses has those of the endpoint
itself; [The API](api.md#statuses) says what each one means. [openapi.json](../openapi.json) is the same as a document
for tools, and so is `GET /openapi.json` of a service. This page is generated from it.
"""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Judge and run": ("/v1/verify", "/v1/run", "/v1/info"),
    "Kept suites": ("/v1/suites",),
    "Durable submissions": ("/v1/submissions", "/v1/batches"),
    "State of the service": ("/healthz", "/readyz", "/metrics"),
}
"""The page's sections: our own paths by how they begin."""
FOR_PEOPLE = (
    ("GET /", "the page on which people send submissions and look at results ([The page](page.md))", "no"),
    ("GET /docs", "every path with its types, to try", "yes"),
    ("GET /openapi.json", "the OpenAPI document", "yes"),
    ("GET /manual/", "this manual", "no"),
)
WITH_BODIES = ("PUT", "POST")


@dataclass(frozen=True)
class Operation:
    """One method of one path, as the OpenAPI document has it."""

    method: str
    path: str
    document: JsonSchemaValue

    @property
    def title(self) -> str:
        """The heading."""
        return f"{self.method} {self.path}"

    @property
    def what(self) -> str:
        """What it does: the first sentence."""
        return self.document["description"].split("\n\n")[0]

    @property
    def stack(self) -> str:
        """The stack whose format it uses; empty for our own."""
        return next((tag.removeprefix(TAG) for tag in self.document.get("tags", ())), "")

    @property
    def key(self) -> str:
        """Whether a key is needed."""
        return "yes" if "security" in self.document else "no"


@cache
def document() -> JsonSchemaValue:
    """Return the OpenAPI document."""
    return create_app(Settings()).openapi()


def operations() -> list[Operation]:
    """Return every operation, in the order of the document."""
    return [
        Operation(method.upper(), path, one)
        for path, methods in document()["paths"].items()
        for method, one in methods.items()
    ]


def _links(page: str, sections: Sequence[Section]) -> dict[str, str]:
    return {one.name: f"[{one.title}]({page}#{anchor(one.title)})" for one in sections}


LINKS = {
    **_links("requests.md", wire.REQUESTS),
    **_links("results.md", wire.RESULTS),
    "Tests": "tests by [input and output](requests.md#tests-by-input-and-output), "
    "[calls](requests.md#tests-by-calls), [asserts](requests.md#tests-by-asserts) or "
    "[pytest](requests.md#tests-by-pytest)",
}
"""Where the fields of a body or of an answer are."""


def _body(operation: Operation) -> str:
    content = operation.document.get("requestBody", {}).get("content", {})
    return _type(content["application/json"]["schema"]) if content else "none"


def _answer(operation: Operation) -> str:
    for status in ("202", "200", "204"):
        if status in operation.document["responses"]:
            content = operation.document["responses"][status].get("content", {})
            kinds = [kind for kind in content if kind != "application/x-ndjson"]
            lines = ", or lines of them" if "application/x-ndjson" in content else ""
            return f"{status}: {_type(content[kinds[0]]['schema'], kinds[0]) if kinds else 'nothing'}{lines}"
    raise ValueError(f"{operation.title} has no answer")


def _type(schema: JsonSchemaValue, media: str = "application/json") -> str:
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    if name:
        return LINKS.get(name, f"`{name}`")
    return "JSON" if media == "application/json" else f"`{media}`"


def _parameters(operation: Operation) -> str:
    described = document()["components"]["schemas"]
    titles = Titles({}, {}, PATTERN_WORDS)
    rows: list[tuple[str, ...]] = []
    for one in operation.document.get("parameters", []):
        kind, allowed = described_type(one["schema"], described, titles)
        default = shown_default(one["schema"].get("default"))
        default = "required" if one.get("required") else default
        rows.append((f"`{one['name']}`", one["in"], kind, default, allowed, one.get("description", "")))
    return table(("parameter", "in", "type", "default", "allowed", "meaning"), rows) if rows else ""


def _statuses(operation: Operation) -> str:
    return ", ".join(sorted(operation.document["responses"]))


def _written(operation: Operation) -> str:
    facts = [("body", _body(operation))] if operation.method in WITH_BODIES else []
    facts += [("answer", _answer(operation)), ("statuses", _statuses(operation)), ("key", operation.key)]
    return join(
        f"### {operation.title}",
        prose(operation.document["description"]),
        _parameters(operation),
        "\n".join(f"- **{name}**: {value}" for name, value in facts),
    )


def _overview(found: Sequence[Operation]) -> str:
    rows = ((f"[`{one.title}`](#{anchor(one.title)})", one.what, one.key) for one in found)
    return table(("endpoint", "what it does", "key"), rows)


def _grouped(found: Sequence[Operation]) -> Iterator[tuple[str, list[Operation]]]:
    for title, begins in GROUPS.items():
        yield title, [one for one in found if not one.stack and one.path.startswith(begins)]


def page() -> str:
    """Return endpoints.md."""
    every = operations()
    parts = [HEAD]
    for title, found in _grouped(every):
        parts += [f"## {title}", _overview(found), *map(_written, found)]
    parts += ["## Pages for people", table(("endpoint", "what it shows", "key"), _for_people())]
    parts.append("## Endpoints of other stacks")
    parts.append(
        prose(
            """The formats of other software, for callers that you do not want to change: [Endpoints of other
            stacks](compat.md) says what is read and what comes back. `VERIFIER_COMPAT` chooses among them."""
        )
    )
    rows = ((one.stack, f"`{one.title}`", one.what, f"`{_name_of(one)}`", one.key) for one in every if one.stack)
    parts.append(table(("stack", "endpoint", "what it does", "in `VERIFIER_COMPAT`", "key"), rows))
    return join(*parts)


def _for_people() -> Iterator[tuple[str, str, str]]:
    for title, what, key in FOR_PEOPLE:
        yield f"`{title}`", what, key


def _name_of(operation: Operation) -> str:
    """Return the name of the stack in the settings."""
    return next(
        stack.value for stack, endpoint in ENDPOINTS.items() if f"{TAG}{operation.stack}" in endpoint.router.tags
    )
