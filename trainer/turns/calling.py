"""Generate completions with interpreter calls outside of TRL's trainer, the way TRL's own loop does."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase
from trl.chat_template_utils import (
    add_response_schema,
    get_training_chat_template,
    is_chat_template_prefix_preserving,
    parse_response,
)

from trainer.errors import RecipeError
from trainer.turns.interpreter import Interpreter, called, programs_in
from trainer.turns.talk import Message, Room, Talk, Turns, Write


def tool_template(tokenizer: PreTrainedTokenizerBase, recipe: str) -> str | None:
    """Enable a tokenizer to parse tool calls.

    Returns:
        The chat template to use instead of the tokenizer's own, or None if its own works for several turns.

    Raises:
        RecipeError: TRL does not know how this chat template writes tool calls.
    """
    try:
        if getattr(tokenizer, "response_template", None) is None:
            add_response_schema(tokenizer)
        return None if is_chat_template_prefix_preserving(tokenizer) else get_training_chat_template(tokenizer)
    except ValueError as problem:
        said = "interpreter: TRL does not know how this model's chat template writes tool calls; use a Qwen model"
        raise RecipeError(recipe, [said]) from problem


def converse(
    talks: Sequence[Talk],
    environments: Sequence[Interpreter],
    write: Write,
    tokenizer: PreTrainedTokenizerBase,
    turns: Turns,
    room: Room,
) -> None:
    """Generate completions and run their calls; all calls of one turn run together."""
    left = list(zip(talks, environments, strict=True))
    options = environments[0].desk.options
    for turn in range(options.max_calls + 1):
        if not left:
            return
        contexts = [talk.context for talk, _ in left]
        written = write(contexts, turn == 0)
        said: list[Message] = []
        for (talk, environment), context, new in zip(left, contexts, written, strict=True):
            ids = new.ids[: room.completion - len(talk.ids)]
            said.append(parse_response(tokenizer, ids, prefix=context, tools=[environment.python]))
            talk.write(new, said[-1], room.completion)
        if turn == options.max_calls:
            return
        environments[0].desk.ahead(programs_in(said, options))
        left = [pair for pair in left if _goes_on(*pair, turns, room)]


def _goes_on(talk: Talk, environment: Interpreter, turns: Turns, room: Room) -> bool:
    """Run the calls of the last message and append their results. Return whether the policy can write on."""
    last = talk.messages[-1]
    if not last.get("tool_calls"):
        return False
    messages = called(environment, last)
    told = turns.told(messages, {"tool_calls": last["tool_calls"]})
    if not room.fits(talk, told):
        return False
    talk.tell(told, messages)
    return True
