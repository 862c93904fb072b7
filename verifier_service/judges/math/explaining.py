"""Explain a math verdict to a person: how both sides were read, and where they differ."""

from verifier_service.answers.compare import Outcome
from verifier_service.answers.compute.witness import witness
from verifier_service.answers.read.reading import Answer, read
from verifier_service.answers.tree.bounds import NotMath
from verifier_service.answers.tree.latex import latex
from verifier_service.answers.tree.nodes import Constant, Node, Product, Symbol
from verifier_service.schema import MathExplanation
from verifier_service.schema.explanations import MAX_SHOWN_CHARS


def explained(text: str, reference: Answer, outcome: Outcome) -> MathExplanation:
    """Explain an answer's outcome against the reference that decided it."""
    one, other = outcome.readings or (_first(read(text)), _first(reference))
    found = None
    if not outcome.equal and outcome.readings is None and one is not None and other is not None:
        found = witness(one, other)
    return MathExplanation(
        answer=_shown(one),
        reference=_shown(other),
        point=found.point if found else {},
        answer_value=found.left if found else None,
        reference_value=found.right if found else None,
    )


def _first(answer: Answer) -> Node | None:
    return answer.trees[0] if answer.trees and not _is_prose(answer) else None


def _is_prose(answer: Answer) -> bool:
    """Return whether a text is a time, or words that would parse as a product of letters but are meant as words."""
    tree = answer.trees[0]
    letters = isinstance(tree, Product) and all(isinstance(factor, Symbol | Constant) for factor in tree.factors)
    return answer.moment is not None or (answer.is_words and letters)


def _shown(node: Node | None) -> str | None:
    if node is None:
        return None
    try:
        text = latex(node)
    except NotMath:
        return None
    return text if len(text) <= MAX_SHOWN_CHARS else None
