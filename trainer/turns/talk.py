"""One completion in turns, as tokens: what the policy wrote, and between that what it was told.

Tokens are only ever appended: what was written is never tokenized anew, so that the policy is trained on the very
tokens that it drew. What it was told has a 0 in the mask and carries no loss.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.errors import RecipeError
from verifier_service.schema import Result

Message = dict[str, object]
Write = Callable[[list[list[int]], bool], "list[Written]"]
"""Writes on, for each context of tokens; the flag says that this is the first turn."""


@dataclass(frozen=True)
class Written:
    """What the policy wrote in one turn, and the log-probabilities of its tokens where the generator tells them."""

    ids: list[int]
    logprobs: list[float] | None = None


@dataclass
class Talk:
    """One completion: `ids` after the prompt's, 1 in `mask` where the policy wrote, and the same as messages."""

    prompt_ids: list[int]
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] | None = None
    messages: list[Message] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    """What the verifier said of each turn, where it was asked."""

    @property
    def context(self) -> list[int]:
        """All that stands before what is written next."""
        return self.prompt_ids + self.ids

    @property
    def turns(self) -> int:
        """How often the policy has written."""
        return sum(message["role"] == "assistant" for message in self.messages)

    def write(self, written: Written, message: Message, most: int) -> None:
        """Add what the policy wrote; tokens beyond `most` of the whole completion are left out."""
        ids = written.ids[: most - len(self.ids)]
        self._add(ids, 1, written.logprobs and written.logprobs[: len(ids)])
        self.messages.append(message)

    def tell(self, ids: Sequence[int], messages: Sequence[Message]) -> None:
        """Add what the policy is told."""
        self._add(ids, 0, None if self.logprobs is None else [0.0] * len(ids))
        self.messages += messages

    def _add(self, ids: Sequence[int], mask: int, logprobs: Sequence[float] | None) -> None:
        self.ids += ids
        self.mask += [mask] * len(ids)
        if logprobs is not None:
            self.logprobs = [*(self.logprobs or []), *logprobs]


@dataclass(frozen=True)
class Room:
    """How many tokens a completion may have in all turns, and together with its prompt; `ends` end a turn."""

    completion: int
    context: int | None
    ends: frozenset[int]

    def fits(self, talk: Talk, told: Sequence[int]) -> bool:
        """Whether a turn came to its own end, and what is told would leave a token to answer with."""
        ids = len(talk.ids) + len(told)
        fits = self.context is None or len(talk.prompt_ids) + ids < self.context
        return bool(talk.ids) and talk.ids[-1] in self.ends and ids < self.completion and fits


def context_of(model: PreTrainedModel, limit: int | None) -> int | None:
    """Return how many tokens prompt and completion may have together: as many as the model takes, or where something
    else writes for it and takes less (vLLM's `max_model_len`), that `limit`; None if neither is known."""
    own: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min((one for one in (own, limit) if one is not None), default=None)


_ANSWER = "ANSWER-7c1f"


def render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], arguments: Mapping[str, object], answers: bool
) -> str:
    """Return messages as the model reads them; `answers` opens an answer at their end."""
    apply = cast(Callable[..., str], tokenizer.apply_chat_template)
    return apply(list(messages), add_generation_prompt=answers, tokenize=False, **arguments)


def ends_of_tokenizer(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens of which each ends an answer, by the tokenizer alone."""
    ends = tokenizer.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset(token for token in known if isinstance(token, int))


class Turns:
    """The tokens between two turns, by the tokenizer's chat template."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: str | None,
        arguments: Mapping[str, object],
        ends: frozenset[int],
    ) -> None:
        self._tokenizer = tokenizer
        self._options = {"chat_template": template, **arguments}
        self._ends = ends

    def told(self, messages: Sequence[Message], answer: Message | None = None) -> list[int]:
        """Return the tokens of messages from the end of an answer to where the next one begins.

        `answer` holds what else the answer's message has, such as `tool_calls`.

        Raises:
            RecipeError: the template ends answers with none of the tokens that end a turn.
        """
        talk = [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": _ANSWER, **(answer or {})},
            *messages,
        ]
        text = render(self._tokenizer, talk, self._options, answers=True)
        ids = self._tokenizer(text.partition(_ANSWER)[2], add_special_tokens=False)["input_ids"]
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        if end is None:
            said = "the chat template ends an answer with none of the tokens that end generation: set model.eos_token"
            raise RecipeError("model", [said])
        return ids[end + 1 :]
