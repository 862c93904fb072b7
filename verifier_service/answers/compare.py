"""Decide whether two answers are equal, and say why in one sentence.

The order: the same spelling; a choice; a moment; words; then, for each pair of readings, the kinds of the table in
turn. The first kind that recognizes the pair decides. What exceeds a limit is not equal, and the sentence says that it
was not proved.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from verifier_service.answers.compute.algebra import BUDGET
from verifier_service.answers.compute.numeric import NotNumeric, Undefined
from verifier_service.answers.kinds import (
    collection,
    curve,
    literal,
    logarithm,
    logic,
    multiples,
    mutual,
    parameters,
    piecewise,
    quantity,
    realset,
    relation,
    solution,
    whole,
)
from verifier_service.answers.kinds.decision import Decision, Kind
from verifier_service.answers.kinds.qualified import Stated, disagree, renaming
from verifier_service.answers.read.clock import same_moment
from verifier_service.answers.read.reaction import read_reaction
from verifier_service.answers.read.reading import Answer, read
from verifier_service.answers.tree import roles
from verifier_service.answers.tree.bounds import MAX_PARTS_DEPTH, NotMath, TooComplex
from verifier_service.answers.tree.nodes import Dots, Node, Symbol, Text, free_symbols, rename, walk

# The order matters: each kind takes what the ones before it left, so the specific come before the general.
KINDS: dict[str, Kind] = {
    "piecewise": piecewise.decide,
    "proposition": logic.decide,
    "mutual relation": mutual.decide,
    "set of whole numbers": whole.decide,
    "parameters": parameters.decide,
    "set of reals": realset.decide,
    "curve": curve.decide,
    "relation": relation.decide,
    "collection": collection.decide,
    "quantity": quantity.decide,
    "literal": literal.decide,
}
"""Each kind of answer that has a tree. What none of them takes is compared as an expression."""

_SHOWN_CHARS = 80
# Without blanks, as `Answer.words` has none: group 2 is the reason.
_YES_OR_NO = re.compile(
    r"(yes|no|true|false)(?:$|(?:[-,.;:]+|(?=because|since))(?!yes|no|true|false|or|maybe|perhaps|but|unless|if|when|only|except|provided|assuming)(.+))",
    re.DOTALL,
)
"""`yes`, `no,because5>3`, `nosince5>3`; not `yes,no`, `nobody`."""


@dataclass(frozen=True)
class Outcome:
    """Whether two answers are equal, why in one sentence, and the two readings that were found equal.

    `readings` is None if the texts decided.
    """

    equal: bool
    why: str
    readings: tuple[Node, Node] | None = None


def compare(answer: Answer, reference: Answer) -> Outcome:
    """Compare an answer with the reference.

    Never raises because of their content, and does not depend on their order.
    """
    BUDGET.refill()
    return _decide(answer, reference)


def _decide(answer: Answer, reference: Answer) -> Outcome:
    answer, reference = _with_letters(answer), _with_letters(reference)
    for rule in _TEXT_RULES:
        decision = rule(answer, reference)
        if decision is not None:
            return decision if isinstance(decision, Outcome) else _outcome(decision, answer, reference)
    answer, reference = _with_meaning(answer), _with_meaning(reference)
    if not answer.trees or not reference.trees:
        which = "the answer" if not answer.trees else "the reference"
        reason = (answer if not answer.trees else reference).reason
        return _outcome(
            Decision(False, f"the texts differ, and {which} cannot be read as math: {reason}"), answer, reference
        )
    one, other = (Stated(side.qualifiers, side.trees[0]) for side in (answer, reference))
    lines = multiples.decide_stated(one, other)
    if lines is not None:
        return _outcome(lines, answer, reference)
    why = disagree(one, other)
    if why is not None:
        return _outcome(Decision(False, why), answer, reference)
    names = renaming(one, other)
    if names:
        alike = replace(reference, trees=tuple(rename(tree, names) for tree in reference.trees))
        outcome = _compare_trees(answer, alike)
        if outcome.equal:
            return outcome
    return _compare_trees(answer, reference)


def accept(answer: Answer, reference: Answer) -> Outcome:
    """Compare an answer with the reference, and reject one that is equal but only repeats the question.

    Not symmetric: `x > 5` answers `2x > 10`, but `2x > 10` does not answer `x > 5`.
    """
    outcome = compare(answer, reference)
    if outcome.readings and solution.is_question(outcome.readings[0]) and solution.is_solved(outcome.readings[1]):
        return _outcome(Decision(False, "the question is not its solution"), answer, reference)
    return outcome


def _compare_trees(answer: Answer, reference: Answer) -> Outcome:
    first: Decision | None = None
    for one in answer.trees:
        for other in reference.trees:
            try:
                decision = same(*roles.cast(one, other))
            except (NotMath, Undefined) as limit:
                decision = Decision(False, f"it was not proved: {limit}")
            except RecursionError:
                decision = Decision(False, "it was not proved: the answers are nested too deeply")
            if decision.equal:
                return _outcome(decision, answer, reference, (one, other))
            first = first or decision
    return _outcome(first or Decision(False, "no reading"), answer, reference)


def _with_letters(answer: Answer) -> Answer:
    """Keep the readings with the letters that the answer names: in `x = 5m, m \\in \\mathbb{Z}`, m is not meters."""
    names = {name for qualifier in answer.qualifiers for name in qualifier.names}
    kept = tuple(tree for tree in answer.trees if names <= free_symbols(tree))
    return replace(answer, trees=kept) if kept else answer


def _with_meaning(answer: Answer) -> Answer:
    """Give `all real numbers` the set as its tree."""
    return replace(answer, trees=(Symbol("mathbb R"),)) if answer.words == "reals" else answer


def same(left: Node, right: Node, depth: int = 0) -> Decision:
    """Compare two trees by the first kind that takes them.

    Raises:
        TooComplex: a limit was exceeded before a decision.
    """
    if depth > MAX_PARTS_DEPTH:
        raise TooComplex("the answers are nested too deeply")
    if left == right:
        contradiction = relation.contradicts_itself(left)
        return Decision(not contradiction, "the equation is false" if contradiction else "the same expression")

    def deeper(one: Node, other: Node) -> Decision:
        return same(one, other, depth + 1)

    for decide in KINDS.values():
        # E.g. `0 = 1` equals nothing, not even itself.
        decision = decide(left, right, deeper)
        if decision is not None:
            return decision
    return _as_expressions(left, right)


def _as_expressions(left: Node, right: Node) -> Decision:
    if any(isinstance(part, (Text, Dots)) for node in (left, right) for part in walk(node)):
        return Decision(False, "the words differ")
    try:
        equal = logarithm.equal(left, right)
    except (NotNumeric, NotMath) as error:
        if isinstance(error, TooComplex):
            raise
        return Decision(False, f"it was not proved: {error}")
    names = free_symbols(left) | free_symbols(right)
    return Decision(equal, ("equal for all values" if names else "equal in value") if equal else "different in value")


# --- answers that are decided by their text ----------------------------------------------------------------------


def _spelling(answer: Answer, reference: Answer) -> Decision | None:
    if answer.spelling == reference.spelling and answer.spelling:
        if any(relation.contradicts_itself(tree) for tree in answer.trees):
            return Decision(False, "the equation is false")
        return Decision(True, "the same text")
    return None


def _choice(answer: Answer, reference: Answer) -> Decision | Outcome | None:
    """Compare two choices by letter, and by option if both give one. A choice with text can also match by its text."""
    several, others = answer.letters, reference.letters
    if several is not None and others is not None and several.glued != others.glued:
        return Decision(several.chosen == others.chosen, "compared by the letters of the choices")
    one, other = answer.choice, reference.choice
    if one is not None and other is not None:
        if one.letter == other.letter and one.text and other.text:
            same_option = _same_option(_option(one.text), _option(other.text))
            return Decision(same_option, "compared by the letter and the text of the option")
        return Decision(one.letter == other.letter, "compared by the letter of the choice")
    if one is not None and one.text:
        outcome = _decide(_option(one.text), reference)
    elif other is not None and other.text:
        outcome = _decide(answer, _option(other.text))
    else:
        return None
    return outcome if outcome.equal else None


def _option(text: str) -> Answer:
    """Read the text of an option, which is not itself a choice."""
    return replace(read(text), choice=None)


def _same_option(one: Answer, other: Answer) -> bool:
    """Compare two options. One in words can be cut short."""
    if one.is_words and other.is_words and one.words and other.words:
        shorter, longer = sorted((one.text.lower(), other.text.lower()), key=len)
        if re.match(re.escape(shorter) + r"\b", longer):
            return True
    return _decide(one, other).equal


def _moment(answer: Answer, reference: Answer) -> Decision | None:
    if answer.moment is not None and reference.moment is not None:
        return Decision(same_moment(answer.moment, reference.moment), "compared as times or dates")
    return None


# the capital letter of an element before a digit, a brace or the end, as only formulas and reactions have; not `x+1`
_MAY_BE_CHEMICAL = re.compile(r"[A-Z][a-z]?(?:[_^\d{}()\s+]|$)")


def _reaction(answer: Answer, reference: Answer) -> Decision | None:
    """Compare two reactions by their molecules, and find formulas equal that are only written differently."""
    if not _MAY_BE_CHEMICAL.search(answer.text) or not _MAY_BE_CHEMICAL.search(reference.text):
        return None
    one, other = read_reaction(answer.text), read_reaction(reference.text)
    if one is None or other is None or not (one.is_told and other.is_told):
        return None
    arrows = {">", "~"} & {*one.signs, *other.signs}
    if not arrows and (one.signs or other.signs):
        return None
    signs = [tuple(sign.replace("=", ">") for sign in side.signs) for side in (one, other)]
    same_states = one.states == other.states or not (one.states and other.states)
    equal = signs[0] == signs[1] and one.sides == other.sides and same_states
    if arrows:
        return Decision(equal, "compared as reactions")
    return Decision(True, "the same formula") if equal else None


def _clock_and_number(answer: Answer, reference: Answer) -> Decision | None:
    for one, other in ((answer, reference), (reference, answer)):
        if one.moment is not None and ":" in one.spelling and other.trees and ":" not in other.spelling:
            return Decision(False, "a time is not a number")
    return None


def _whole_numbers(answer: Answer, reference: Answer) -> Decision | None:
    one, other = (Stated(side.qualifiers, side.trees[0] if side.trees else None) for side in (answer, reference))
    return whole.decide_stated(one, answer.words, other, reference.words)


def _words(answer: Answer, reference: Answer) -> Decision | None:
    wordy = answer.is_words or reference.is_words or not (answer.trees or reference.trees)
    if answer.words and answer.words == reference.words and wordy:
        return Decision(True, "the same words")
    if _say_the_same(answer, reference):
        return Decision(True, "one states the other in a sentence")
    one, other = _YES_OR_NO.fullmatch(answer.words), _YES_OR_NO.fullmatch(reference.words)
    if one and other and one.group(1) == other.group(1) and not (one.group(2) and other.group(2)):
        return Decision(True, "the same answer, with a reason on one side")
    if answer.is_words and reference.is_words:
        return Decision(False, "the words differ")
    return None


def _say_the_same(answer: Answer, reference: Answer) -> bool:
    """Return whether one says the other in a sentence: `The slope is undefined` and `undefined`.

    Two sentences about different subjects say different things.
    """
    one, other = answer.predicate, reference.predicate
    if one is not None and other is not None:
        return one.words == other.words and (one.dummy or other.dummy)
    if one is not None:
        return one.words == reference.words
    return other is not None and other.words == answer.words


# The order matters: each rule decides, or leaves the pair to the next. Those that read more than the text come later.
_TEXT_RULES: tuple[Callable[[Answer, Answer], Decision | Outcome | None], ...] = (
    _spelling,
    _choice,
    _moment,
    _reaction,
    _clock_and_number,
    _whole_numbers,
    _words,
)


def _outcome(
    decision: Decision, answer: Answer, reference: Answer, readings: tuple[Node, Node] | None = None
) -> Outcome:
    verb = "equals" if decision.equal else "is not"
    return Outcome(decision.equal, f"{shown(answer)} {verb} {shown(reference)}: {decision.why}", readings)


def shown(answer: Answer) -> str:
    """Return an answer's text as messages show it."""
    text = " ".join(answer.text.split())
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


__all__ = ["KINDS", "Outcome", "accept", "compare", "same", "shown"]
