"""Turn the label of a row into a submission, for stacks in which a label can be anything.

A string or a number is the answer to a math problem. An object, or the JSON of one, has `reference`, or `tests` in the
format of /v1, or `inputs` and `outputs`. A list contains references, or `assert` statements.
"""

import re

from pydantic import ValidationError

from verifier_service.api.compat.asking import read_value
from verifier_service.api.compat.in_out import InOut, tests_of
from verifier_service.api.compat.refusals import Refused, misshapen, unhonoured
from verifier_service.errors import NotJson

_OF_CODE = ("language", "limits")
_OF_MATH = ("form", "rounding", "extract")
_LAST_TOKENS = re.compile(r"(?:\s*(?:<\|[^<>|\s]{1,40}\|>|<｜[^<>\s]{1,40}｜>|</?s>|<eos>|<pad>|<end_of_turn>))+\s*\Z")


async def submission(completion: str, label: object, field: str) -> dict[str, object]:
    """Return the submission for a completion and its label.

    Raises:
        Refused: the label has none of the formats above; the message names `field`.
    """
    label = await _read(label, field)
    if isinstance(label, dict):
        return await _of_object(completion, label, field)
    if isinstance(label, list) and label and all(isinstance(one, str) for one in label):
        if all(one.lstrip().startswith("assert") for one in label):
            return _code(completion, {"kind": "assert", "code": "\n".join(label)})
        return {"kind": "math", "completion": completion, "reference": label}
    if isinstance(label, (str, int, float)) and not isinstance(label, bool):
        return {"kind": "math", "completion": completion, "reference": str(label)}
    raise _unusable(label, field)


def without_last_tokens(text: str) -> str:
    """Return a text without the special tokens at its end: `</s>`, `<|im_end|>` and the like."""
    tail = text[-1000:]
    found = _LAST_TOKENS.search(tail)
    return text[: len(text) - len(tail) + found.start()] if found else text


async def _read(label: object, field: str) -> object:
    """Parse a label that is the JSON of an object or of a list of strings; return any other label unchanged."""
    if not isinstance(label, str) or label.lstrip()[:1] not in ("{", "["):
        return label
    try:
        value = await read_value(label.encode("utf-8", "surrogatepass"), field)
    except NotJson:
        return label
    is_texts = isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    return value if isinstance(value, dict) or is_texts else label


async def _of_object(completion: str, label: dict[str, object], field: str) -> dict[str, object]:
    if "tests" in label:
        return _code(completion, label["tests"]) | {name: label[name] for name in _OF_CODE if name in label}
    if "inputs" in label:
        try:
            pairs = InOut.model_validate(label)
        except ValidationError as error:
            raise misshapen(error, label) from error
        return _code(completion, await tests_of(pairs, completion, field))
    if "reference" in label:
        more = {name: label[name] for name in _OF_MATH if name in label}
        return {"kind": "math", "completion": completion, "reference": label["reference"], **more}
    raise _unusable(label, field)


def _code(completion: str, tests: object) -> dict[str, object]:
    return {"kind": "code", "completion": completion, "tests": tests}


def _unusable(label: object, field: str) -> Refused:
    allowed = (
        "it must be an answer, a list of answers or of `assert` statements, or an object with `tests`, `inputs` or "
        "`reference`"
    )
    return unhonoured(field, label, allowed, 422)
