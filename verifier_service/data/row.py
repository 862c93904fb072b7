"""One row of a data set, read field by field. Errors name the field, its value, and what is allowed."""

import json
from collections.abc import Mapping, Sequence
from typing import Union

from verifier_service.schema import ProblemField
from verifier_service.schema.problems import shown

Json = Union[  # noqa: UP007 -- the type is recursive, and `|` does not accept strings
    None, bool, int, float, str, Sequence["Json"], Mapping[str, "Json"]
]
JsonObject = Mapping[str, Json]


class Fault(Exception):
    """A field of a row cannot be used; `problem` has its name, its value and what is allowed."""

    def __init__(self, field: str, value: Json, allowed: str) -> None:
        self.problem = ProblemField(field=field, value="" if value is None else shown(value), allowed=allowed)
        super().__init__(str(self.problem))


def parsed(text: str, field: str) -> Json:
    """Parse a JSON text. Raises Fault if it is invalid."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fault(field, text, f"it is not valid JSON: {error}") from error


class Row:
    """A row, or an object in it. A null field counts as absent, because Arrow writes null for both."""

    def __init__(self, values: Mapping[str, Json], path: str = "") -> None:
        self.values = values
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def has(self, *names: str) -> bool:
        """Return whether the row has all these columns, with any values."""
        return all(name in self.values for name in names)

    def path(self, name: str) -> str:
        """Return the full name of a field: `reward_model.ground_truth`."""
        return f"{self._path}{name}"

    def fault(self, name: str, allowed: str) -> Fault:
        """Return the error for a field."""
        return Fault(self.path(name), self.values.get(name), allowed)

    def value(self, name: str) -> Json:
        """Return a required field."""
        if name not in self:
            raise self.fault(name, f"this field is required; there are {', '.join(self.values) or 'none'}")
        return self.values[name]

    def text(self, name: str) -> str:
        """Return a required text that is not blank."""
        value = self.value(name)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(name, "it must be a text that is not empty")
        return value

    def text_or(self, name: str, default: str = "") -> str:
        """Return an optional text, which can be empty."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.fault(name, "it must be a text")
        return value

    def number_or_none(self, name: str) -> float | None:
        """Return a number above 0, or None if the field is absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise self.fault(name, "it must be a number above 0")
        return float(value)

    def identity(self, *names: str) -> str | None:
        """Return the row's id: the first of these fields that is a text or an integer."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
                return str(value)
        return None

    def items(self, name: str) -> Sequence[Json]:
        """Return a list, which can be given as JSON text."""
        value = self.value(name)
        if isinstance(value, str):
            value = parsed(value, self.path(name))
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self.fault(name, "it must be a list, or the JSON text of one")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, which can be given as JSON text."""
        items = self.items(name)
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) != len(items):
            raise self.fault(name, "it must be a list of texts")
        return texts

    def texts_or_none(self, name: str) -> list[str]:
        """Return a list of texts; empty if the field is absent or empty."""
        return self.texts(name) if self.values.get(name) not in (None, "") else []

    def object(self, name: str) -> "Row":
        """Return an object, which can be given as JSON text."""
        value = self.value(name)
        if isinstance(value, str):
            value = parsed(value, self.path(name))
        if not isinstance(value, Mapping):
            raise self.fault(name, "it must be an object, or the JSON text of one")
        return Row(value, f"{self.path(name)}.")

    def objects(self, name: str) -> list["Row"]:
        """Return a list of objects, which can be given as JSON text, or as an object of lists, as in Arrow."""
        value = self.values.get(name)
        if isinstance(value, Mapping):
            return _of_columns(Row(value, f"{self.path(name)}."))
        rows = []
        for index, item in enumerate(self.items(name)):
            if not isinstance(item, Mapping):
                raise Fault(self.path(f"{name}.{index}"), item, "it must be an object")
            rows.append(Row(item, f"{self.path(name)}.{index}."))
        return rows

    def messages(self, name: str) -> str | list[dict[str, str]]:
        """Return a prompt: a text, or chat messages with `role` and `content`."""
        if isinstance(self.values.get(name), str):
            return self.text(name)
        found = [{"role": one.text("role"), "content": one.text_or("content")} for one in self.objects(name)]
        if not found:
            raise self.fault(name, "it must have a message")
        return found


def _of_columns(columns: Row) -> list[Row]:
    lists = {name: columns.items(name) for name in columns.values}
    if len({len(one) for one in lists.values()}) > 1:
        name = next(iter(lists))
        raise columns.fault(name, "the lists beside it must be as long")
    count = len(next(iter(lists.values()), ()))
    return [Row({name: one[i] for name, one in lists.items()}, columns.path(f"{i}.")) for i in range(count)]
