"""An answer, what the verifier found in it, and the answer once more, until it is accepted or the turns are used up.

A `judge_error` ends a conversation: of an answer that we could not judge nothing can be told, and it has no reward.
"""

import json
from collections.abc import Callable, Sequence

from transformers import PreTrainedTokenizerBase

from trainer.config import Repair
from trainer.rewards.reward import Completion
from trainer.turns.feedback import feedback
from trainer.turns.talk import Message, Room, Talk, Turns, Write
from verifier_service.schema import Result, Verdict

Judge = Callable[[Sequence[Completion], Sequence[str]], list[Result]]
"""Judges completions, each beside its submission as JSON text; all processes call it together."""


def converse(
    talks: Sequence[Talk],
    verifier: Sequence[str],
    options: Repair,
    write: Write,
    judge: Judge,
    tokenizer: PreTrainedTokenizerBase,
    turns: Turns,
    room: Room,
    most: Callable[[int], int] = lambda own: own,
) -> None:
    """Have all turns of some completions written and judged, the talks of one turn together.

    `verifier` has the submission of each talk as JSON text. `most` returns the greatest of a number over all processes,
    which go through the same turns.
    """
    left = list(zip(talks, verifier, strict=True))
    for turn in range(1, options.max_turns + 1):
        if not most(len(left)):
            return
        written = write([talk.context for talk, _ in left], turn == 1)
        for (talk, _), new in zip(left, written, strict=True):
            text = str(tokenizer.decode(new.ids[: room.completion - len(talk.ids)], skip_special_tokens=True))
            talk.write(new, {"role": "assistant", "content": text}, room.completion)
        results = judge([talk.messages[-1:] for talk, _ in left], [spec for _, spec in left])
        for (talk, _), result in zip(left, results, strict=True):
            talk.results.append(result)
        if turn < options.max_turns:
            left = [(talk, spec) for talk, spec in left if _goes_on(talk, spec, options, turns, room)]


def _goes_on(talk: Talk, spec: str, options: Repair, turns: Turns, room: Room) -> bool:
    """Tell the policy what was found, where there is something to be told and room for it."""
    result = talk.results[-1]
    if result.verdict in (Verdict.ACCEPTED, Verdict.JUDGE_ERROR):
        return False
    message: Message = {"role": "user", "content": feedback(result, json.loads(spec), options)}
    told = turns.told([message])
    if not room.fits(talk, told):
        return False
    talk.tell(told, [message])
    return True


def solved_at(results: Sequence[Result]) -> int | None:
    """Return the turn whose answer was accepted; None where none was."""
    return next((turn for turn, result in enumerate(results, 1) if result.verdict is Verdict.ACCEPTED), None)
