"""What the label of a row is to judging, where a stack lets a label be anything.

A text or a number is the answer to a question of mathematics. An object, or the JSON of one, is a `reference`, or
`tests` as /v1 has them, or `inputs` beside `outputs`. A list is of references, or of `assert` statements.
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
    """Return the submission that a completion is.

    Raises:
        Refused: nothing can be made of the label; it names `field`.
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
    """Return a text without the special tokens that end it: `</s>`, `<|im_end|>` and the like."""
    tail = text[-1000:]
    found = _LAST_TOKENS.search(tail)
    return text[: len(text) - len(tail) + found.start()] if found else text


async def _read(label: object, field: str) -> object:
    """Return a label that is the JSON of an object, or of a list of texts, as that; every other as it is."""
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
        "an answer, a list of answers or of `assert` statements, or an object with `tests`, `inputs` or `reference`"
    )
    return unhonoured(field, label, allowed, 422)
