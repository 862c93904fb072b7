"""Repair: an answer, the verifier's feedback, and another answer, until one is accepted or the turns are used up.

A `judge_error` ends the conversation: there is no feedback on an answer that we could not judge, and no reward.
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
"""Judges completions, given together with their submissions as JSON text. This is a collective call."""


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
    """Generate and judge all turns of some completions, one turn of all of them at a time.

    Args:
        talks: The completions, which begin empty.
        verifier: The submission of each completion, as JSON text.
        options: How many turns there are, and what the feedback reveals.
        write: Generates one turn.
        judge: Judges one turn.
        tokenizer: The policy's tokenizer.
        turns: Computes the tokens between answers.
        room: The maximum lengths.
        most: Returns the maximum of a number over all processes, so that all of them go through the same turns.
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
    """Append the feedback if there is any and it fits. Return whether the policy can write on."""
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
    """Return the number of the turn whose answer was accepted, from 1, or None."""
    return next((turn for turn, result in enumerate(results, 1) if result.verdict is Verdict.ACCEPTED), None)
