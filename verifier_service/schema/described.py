"""What there is to say about a field, in plain words: for the manual, and for `settings`.

It is read from the JSON schema of a model, so it follows the types: `Limits.time_limit_s` is a number of CPU seconds,
above 0, and so on.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue as Schema

from verifier_service.schema.base import either

REQUIRED = "required"
NOTHING = "–"
SUFFIXES = {"_s": "seconds", "_mb": "MiB", "_kb": "KiB", "_kb_s": "KiB a second", "_chars": "characters"}
"""The units that names end with; the longest suffix decides."""
WORDS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean", "object": "object"}
FORMATS = {"date-time": "time", "path": "path", "file-path": "path", "password": "secret"}


@dataclass(frozen=True)
class Titles:
    """How a page speaks of the types that fields refer to, as Markdown: one of them, and several.

    `patterns` has words for the regular expressions of strings: `^[0-9a-f]{64}$` is "64 hexadecimal digits". `words`
    has what to say of long enumerations in place of all their words.
    """

    one: Mapping[str, str]
    many: Mapping[str, str]
    patterns: Mapping[str, str]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """One field. `unit` is empty for what has none, and `allowed` for what its type does not restrict."""

    name: str
    type: str
    unit: str
    default: str
    allowed: str
    meaning: str

    @property
    def quantity(self) -> str:
        """Type and unit: `number, seconds`."""
        return f"{self.type}, {self.unit}" if self.unit else self.type


def describe(
    model: type[BaseModel],
    titles: Titles,
    units: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    shown: Callable[[object], str] | None = None,
) -> list[Described]:
    """Return what there is to say about each field of a model, but those `without`.

    `units` has the units of fields whose names do not end with one; `shown` writes a default.

    Raises:
        KeyError: a field refers to a type, or has a pattern, for which `titles` has no words.
    """
    schema = model.model_json_schema(by_alias=False)
    reader = _Reader(schema.get("$defs", {}), titles)
    return [
        Described(
            name=name,
            type=reader.type(schema["properties"][name]),
            unit=unit_of(name, units or {}, model.__name__),
            default=REQUIRED if info.is_required() else (shown or shown_default)(default_of(info)),
            allowed="; ".join(reader.allowed(schema["properties"][name])),
            meaning=meaning_of(name, info, schema["properties"][name]),
        )
        for name, info in model.model_fields.items()
        if name not in without
    ]


def described_type(schema: Schema, defs: Mapping[str, Schema], titles: Titles) -> tuple[str, str]:
    """Return the type of one node of a JSON schema, and what is allowed beyond it; `defs` are what it refers to."""
    reader = _Reader(defs, titles)
    return reader.type(schema), "; ".join(reader.allowed(schema))


def meaning_of(name: str, info: FieldInfo, schema: Schema) -> str:
    """Return the sentence of a field. `kind` needs none where its one value says which kind it is."""
    if name == "kind" and "const" in schema and not info.description:
        return "chooses this kind"
    return info.description or ""


def unit_of(name: str, units: Mapping[str, str], model: str = "") -> str:
    """Return the unit of a field: that of `Model.name` in `units`, of `name`, or of what the name ends with."""
    for key in (f"{model}.{name}", name):
        if key in units:
            return units[key]
    ends = [suffix for suffix in SUFFIXES if name.endswith(suffix)]
    return SUFFIXES[max(ends, key=len)] if ends else ""


def default_of(info: FieldInfo) -> object:
    """Return the default of a field that is not required."""
    return info.get_default(call_default_factory=True, validated_data={})


def shown_default(value: object) -> str:
    """Write a default as JSON would have it, as Markdown; what is empty or null is a dash."""
    match value:
        case None | "" | [] | {}:
            return NOTHING
        case bool():
            return f"`{str(value).lower()}`"
        case Enum():
            return f"`{value.value}`"
        case float():
            return f"`{value:g}`"
        case BaseModel():
            kind = getattr(value, "kind", None)
            return f"`{kind}`" if kind else "its defaults"
        case list():
            return ", ".join(shown_default(one) for one in value)
        case _:
            return f"`{value}`"


@dataclass(frozen=True)
class _Reader:
    """What reads nodes of a JSON schema."""

    defs: Mapping[str, Schema]
    titles: Titles

    def type(self, node: Schema) -> str:
        """Return the type in words, as Markdown."""
        return either(self._one(arm) for arm in self._arms(node)) or "any JSON value"

    def allowed(self, node: Schema) -> list[str]:
        """Return what is allowed beyond the type."""
        found: list[str] = []
        for arm in self._arms(node):
            found += self._allowed(arm)
        return list(dict.fromkeys(found))

    def _arms(self, node: Schema) -> list[Schema]:
        """Return the types that a value may have, but null, which is the default where it is allowed."""
        arms = node.get("anyOf") or node.get("oneOf")
        if arms is not None:
            return [inner for arm in arms for inner in self._arms(arm)]
        return [] if node.get("type") == "null" else [node]

    def _one(self, node: Schema) -> str:
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            return "string" if "enum" in self.defs[name] else self.titles.one[name]
        if "format" in node or "contentEncoding" in node:
            return FORMATS[node["format"]] if "format" in node else "string in base64"
        match node.get("type"):
            case "array" if "prefixItems" in node:
                return f"list of {len(node['prefixItems'])} {self._several(node['prefixItems'][0])}"
            case "array":
                return f"list of {self._several(node.get('items', {}))}"
            case "object" if (values := _values(node)) is not None:
                return f"object of {self._several(values)}"
            case None:
                return ""
            case word:
                return WORDS[word]

    def _several(self, node: Schema) -> str:
        words: list[str] = []
        for arm in self._arms(node):
            name = arm["$ref"].rsplit("/", 1)[1] if "$ref" in arm else ""
            if name and "enum" not in self.defs[name]:
                words.append(self.titles.many[name])
            else:
                one = self._one(arm)
                words.append(one.replace("string", "strings", 1) if "string" in one else f"{one}s" if one else "")
        return either(words) or "JSON values"

    def _allowed(self, node: Schema) -> list[str]:
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            if name in self.titles.words:
                return [self.titles.words[name]]
            return self._allowed(self.defs[name]) if "enum" in self.defs[name] else []
        if "const" in node:
            return [f"`{node['const']}`"]
        if "enum" in node:
            return [", ".join(f"`{one}`" for one in node["enum"])]
        found = [_range(node), _size(node, "Length", "character"), _size(node, "Properties", "entry")]
        if "prefixItems" not in node:  # its type says how many there are
            found.append(_size(node, "Items", "entry"))
        if "pattern" in node:
            found.append(self.titles.patterns[node["pattern"]])
        keys = [self.titles.patterns[one] for one in node.get("patternProperties", {})]
        if "propertyNames" in node:
            keys += self.allowed(node["propertyNames"])
        found += [f"each key {one}" for one in keys]
        if node.get("type") == "array":
            item = node["prefixItems"][0] if "prefixItems" in node else node.get("items", {})
            found += [f"each {one}" for one in self.allowed(item)]
        return [one for one in found if one]


def _values(node: Schema) -> Schema | None:
    """Return the schema of an object's values; None if they can be anything."""
    values = next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties"))
    return values if isinstance(values, dict) else None


def _range(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    return ", ".join(f"{sign} {node[key]:,}" for key, sign in signs.items() if key in node)


def _size(node: Schema, what: str, unit: str) -> str:
    low, high = node.get(f"min{what}", 0), node.get(f"max{what}")
    units = "entries" if unit == "entry" else f"{unit}s"
    if high is None:
        return f"at least {low} {unit if low == 1 else units}" if low else ""
    return f"{low} to {high:,} {units}" if low else f"at most {high:,} {units}"
