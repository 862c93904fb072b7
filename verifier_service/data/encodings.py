"""Parts that several formats share: lists of inputs and outputs, limits with units, and entry points."""

import re
from collections.abc import Iterable, Sequence

from verifier_service.data.row import Fault, Json, JsonObject, Row, parsed

_NUMBER = re.compile(r"\s*([0-9.]+)\s*([a-z]*)", re.IGNORECASE)  # 2.0 seconds, 256 megabytes
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "milliseconds": 0.001}
_MEGABYTES = {"": 1.0, "mb": 1.0, "megabyte": 1.0, "megabytes": 1.0, "gb": 1024.0, "gigabytes": 1024.0}


def entry_point(name: str, sources: Iterable[str]) -> str:
    """Return `Solution.f` if the first source that defines `f` defines it in a class, else `f`.

    `name` can already contain its class: `Solution.f`, `Solution().f`.
    """
    if "." in name:
        return name
    for source in sources:
        if re.search(rf"^(async )?def {re.escape(name)}\b", source, re.MULTILINE):
            return name
        method = re.search(rf"^[ \t]+(async )?def {re.escape(name)}\b", source, re.MULTILINE)
        owner = re.findall(r"^class (\w+)", source[: method.start()], re.MULTILINE) if method else []
        if owner:
            return f"{owner[-1]}.{name}"
    return name


def in_out(row: Row, sources: Sequence[str] = (), prelude: str = "contest") -> JsonObject:
    """Return the tests in an object with `inputs`, `outputs` and optionally `fn_name`.

    `sources` are starter code and programs that show whether `fn_name` is a method. If all inputs are lists of
    arguments and all outputs are lists with one element, the elements are the expected values.
    """
    inputs, outputs = row.items("inputs"), row.items("outputs")
    if not inputs:
        raise row.fault("inputs", "there must be at least one test")
    if len(inputs) != len(outputs):
        raise row.fault("outputs", f"it must be as long as `inputs`, which has {len(inputs)}")
    name = row.text_or("fn_name")
    if not name:
        cases = [
            {"stdin": _lines(one, row.path(f"inputs.{i}")), "stdout": _lines(out, row.path(f"outputs.{i}"))}
            for i, (one, out) in enumerate(zip(inputs, outputs, strict=True))
        ]
        return stdio(cases, prelude)
    are_wrapped = all(isinstance(one, list) for one in inputs) and all(
        isinstance(out, list) and len(out) == 1 for out in outputs
    )
    calls: list[JsonObject] = []
    for i, (one, out) in enumerate(zip(inputs, outputs, strict=True)):
        expected = out[0] if are_wrapped and isinstance(out, list) else out
        calls.append(call(one, expected, row.path(f"inputs.{i}"), row.path(f"outputs.{i}")))
    return call_tests(entry_point(name, sources), calls, prelude)


def call(given: Json, expected: Json, input_field: str, output_field: str) -> JsonObject:
    """Return a call's case. The arguments are a list, or a text with one JSON value per line and a result in JSON."""
    if isinstance(given, str):
        lines = [line for line in given.split("\n") if line.strip()]
        args: Json = [parsed(line, input_field) for line in lines]
        return {"args": args, "expected": parsed(expected, output_field) if isinstance(expected, str) else expected}
    if not isinstance(given, Sequence):
        raise Fault(input_field, given, "it must be a list of arguments, or a text with one JSON value a line")
    return {"args": given, "expected": expected}


def call_tests(entry: str, cases: Sequence[JsonObject], prelude: str) -> JsonObject:
    """Return tests that call a function."""
    return {"kind": "call", "entry_point": entry, "cases": cases, **({"prelude": prelude} if prelude else {})}


def stdio(cases: Sequence[JsonObject], prelude: str = "", checker: Json = None) -> JsonObject:
    """Return tests of standard input and output."""
    return {
        "kind": "stdio",
        "cases": cases,
        **({"prelude": prelude} if prelude else {}),
        **({"checker": checker} if checker is not None else {}),
    }


def cases_of(rows: Sequence[Row], input_name: str = "input", output_name: str = "output") -> list[JsonObject]:
    """Return the cases in a list of objects, each with an input and an output."""
    return [
        {
            "stdin": _lines(row.values.get(input_name), row.path(input_name)),
            "stdout": _lines(row.values.get(output_name), row.path(output_name)),
        }
        for row in rows
    ]


def _lines(value: Json, field: str) -> str:
    """Return a text; a list of texts is joined as lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        texts = [one for one in value if isinstance(one, str)]
        if len(texts) == len(value):
            return "\n".join(texts)
    raise Fault(field, value, "it must be a text, or a list of texts, one a line")


def limits(row: Row, time: str = "time_limit", memory: str = "memory_limit") -> JsonObject:
    """Return the limits of a row: numbers in seconds and MB, or texts like `2.0 seconds` and `256.0 megabytes`."""
    found: dict[str, Json] = {}
    time_s = _measure(row, time, _SECONDS)
    memory_mb = _measure(row, memory, _MEGABYTES)
    if time_s is not None:
        found["time_limit_s"] = time_s
    if memory_mb is not None:
        found["memory_limit_mb"] = int(memory_mb)
    return found


def _measure(row: Row, name: str, units: dict[str, float]) -> float | None:
    value = row.values.get(name)
    if not isinstance(value, str):
        return row.number_or_none(name)
    if not value.strip():
        return None
    found = _NUMBER.fullmatch(value.strip())
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise row.fault(name, f"it must be a number and one of {', '.join(filter(None, units))}")
    try:
        return float(found[1]) * unit
    except ValueError as error:
        raise row.fault(name, "it must begin with a number") from error


def typed_cases(rows: Sequence[Row], name: str, sources: Sequence[str] = (), prelude: str = "contest") -> JsonObject:
    """Return the tests in a list of cases, whose kind is in `testtype` (LiveCodeBench) or `type`, if given.

    The function is `fn_name` or `metadata.func_name` of the case, or `name`. All cases must be of the same kind.
    """
    kinds = {row.text_or("testtype") or row.text_or("type") or "stdin" for row in rows}
    if kinds <= {"stdin", "stdin_stdout"} and rows:
        return stdio(cases_of(rows), prelude)
    if len(kinds) != 1 or not kinds <= {"functional", "function_call"}:
        where = rows[0].path("testtype") if rows else "tests"
        allowed = "cases must all be stdin, stdin_stdout, functional or function_call"
        raise Fault(where, ", ".join(sorted(kinds)) or None, allowed)
    names = {_called(row) or name for row in rows}
    if len(names) != 1 or not all(names):
        raise Fault(rows[0].path("fn_name"), ", ".join(sorted(names)), "every case must call the same function")
    calls = [
        call(row.values.get("input"), row.values.get("output"), row.path("input"), row.path("output")) for row in rows
    ]
    return call_tests(entry_point(names.pop(), sources), calls, prelude)


def _called(row: Row) -> str:
    if "fn_name" in row:
        return row.text("fn_name")
    return row.object("metadata").text_or("func_name") if "metadata" in row else ""


def any_tests(
    row: Row, field: str, name: str = "", sources: Sequence[str] = (), prelude: str = "contest"
) -> JsonObject:
    """Return the tests in a field: an object of inputs and outputs, or a list of cases; both can be JSON text."""
    value = row.value(field)
    if isinstance(value, str):
        value = parsed(value, row.path(field))
    held = Row({field: value}, row.path(""))
    if isinstance(value, dict) and "inputs" in value:
        return in_out(held.object(field), sources, prelude)
    cases = held.objects(field)
    if not cases:
        raise row.fault(field, "there must be at least one test")
    return typed_cases(cases, name, sources, prelude)
