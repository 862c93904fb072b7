"""Choose which of several blocks is the answer: the last one that can be.

Whether a block can be the answer follows from the names the tests need and from what each block defines, uses and does.
Where that decides nothing, the last block is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from verifier_service.extract.python import Facts, Reader
from verifier_service.extract.wanted import Wanted

MAX_HELPERS = 8  # how many other blocks are considered


@dataclass(frozen=True)
class Candidate:
    """A text that could be the program, at `start` of one `place`. `facts` are set if it is a Python program."""

    code: str
    place: int
    start: int
    facts: Facts | None = None


def choose(candidates: Sequence[Candidate], wanted: Wanted, reader: Reader) -> str:
    """Return the program among some candidates. The first one wins unless something speaks against it."""
    able = [(one, one.facts) for one in candidates if one.facts and not one.facts.is_inert]
    if len(candidates) == 1 or not able:
        return candidates[0].code
    if wanted.names:
        return _defining(candidates[0], able, wanted.names, reader)
    return _acting(able, reader)


_Able = Sequence[tuple[Candidate, Facts]]


def _defining(first: Candidate, able: _Able, names: frozenset[str], reader: Reader) -> str:
    # A test can need `Class.method`; a block that defines `Class` counts too, even if the method is inherited.
    names |= {name.partition(".")[0] for name in names}
    there = frozenset(name for name in names if any(name in facts.defines for _, facts in able))
    if not there:
        return first.code
    for one, facts in able:
        if facts.gives(there):
            return _with_helpers(one, facts, able, reader)
    parts = [one for one, facts in able if facts.defines & there]
    return _joined([one for one in parts if one.place == parts[0].place], reader) or parts[0].code


def _acting(able: _Able, reader: Reader) -> str:
    """Choose among programs that only read and write.

    A block that defines but does nothing, or that shows how another is used, is not a program by itself.
    """
    first, facts = able[0]
    for other, others in able[1:]:
        if facts.uses & others.defines:
            is_example = others.acts and (others.reads or not facts.reads)
            return other.code if is_example else _with_helpers(first, facts, able, reader)
    if not facts.acts:
        return next((other.code for other, others in able if others.acts), first.code)
    return first.code


def _with_helpers(chosen: Candidate, facts: Facts, able: _Able, reader: Reader) -> str:
    """Prepend the blocks that define what a program uses but does not define, if there are any."""
    parts, missing = [chosen], facts.uses
    # The nearest block before it first, then those after it: a helper is usually given just before it is used.
    others = sorted(
        ((one, seen) for one, seen in able if one.place == chosen.place and one is not chosen),
        key=lambda pair: (pair[0].start > chosen.start, abs(pair[0].start - chosen.start)),
    )
    for one, seen in others[:MAX_HELPERS]:
        if missing & seen.defines:
            parts.append(one)
            missing = (missing | seen.uses) - seen.defines
    return (_joined(parts, reader) or chosen.code) if len(parts) > 1 else chosen.code


def _joined(parts: Sequence[Candidate], reader: Reader) -> str | None:
    """Return blocks joined into one program, with the first of `parts` last so that its definitions win."""
    chosen, *helpers = parts
    ordered = [*sorted(helpers, key=lambda one: one.start), chosen]
    code = "\n".join(one.code if one.code.endswith("\n") else f"{one.code}\n" for one in ordered)
    return code if reader.read(code) is not None else None
