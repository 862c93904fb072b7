"""One completion in several turns, as tokens: the policy's answers, and the messages it received in between.

Tokens are only appended. Answers are never tokenized again, so the policy is trained on exactly the tokens it sampled.
Messages to the policy have a 0 in the mask and do not contribute to the loss.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.errors import RecipeError
from verifier_service.schema import Result

Message = dict[str, object]
Write = Callable[[list[list[int]], bool], "list[Written]"]
"""Continues each context of token ids; the flag is true for the first turn."""


@dataclass(frozen=True)
class Written:
    """The tokens that the policy wrote in one turn, and their log-probabilities if the generator returns them."""

    ids: list[int]
    logprobs: list[float] | None = None


@dataclass
class Talk:
    """One completion: token `ids` after the prompt's, a `mask` with 1 for the policy's tokens, and the messages."""

    prompt_ids: list[int]
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] | None = None
    messages: list[Message] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    """The verifier's result for each turn that was judged."""

    @property
    def context(self) -> list[int]:
        """All tokens so far, with the prompt."""
        return self.prompt_ids + self.ids

    @property
    def turns(self) -> int:
        """The number of turns that the policy has written."""
        return sum(message["role"] == "assistant" for message in self.messages)

    def write(self, written: Written, message: Message, most: int) -> None:
        """Append an answer of the policy, truncating the whole completion to `most` tokens."""
        ids = written.ids[: most - len(self.ids)]
        self._add(ids, 1, written.logprobs and written.logprobs[: len(ids)])
        self.messages.append(message)

    def tell(self, ids: Sequence[int], messages: Sequence[Message]) -> None:
        """Append messages to the policy."""
        self._add(ids, 0, None if self.logprobs is None else [0.0] * len(ids))
        self.messages += messages

    def _add(self, ids: Sequence[int], mask: int, logprobs: Sequence[float] | None) -> None:
        self.ids += ids
        self.mask += [mask] * len(ids)
        if logprobs is not None:
            self.logprobs = [*(self.logprobs or []), *logprobs]


@dataclass(frozen=True)
class Room:
    """The maximum tokens of a completion over all turns, and together with its prompt; `ends` are the end tokens."""

    completion: int
    context: int | None
    ends: frozenset[int]

    def fits(self, talk: Talk, told: Sequence[int]) -> bool:
        """Return whether the last turn ended by itself, and the message would leave room for at least one token."""
        ids = len(talk.ids) + len(told)
        fits = self.context is None or len(talk.prompt_ids) + ids < self.context
        return bool(talk.ids) and talk.ids[-1] in self.ends and ids < self.completion and fits


def context_of(model: PreTrainedModel, limit: int | None) -> int | None:
    """Return the maximum tokens of prompt and completion together, or None if it is unknown.

    It is the model's context or, if smaller, the `limit` of what generates for it, such as vLLM's `max_model_len`.
    """
    own: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min((one for one in (own, limit) if one is not None), default=None)


_ANSWER = "ANSWER-7c1f"


def render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], arguments: Mapping[str, object], answers: bool
) -> str:
    """Return messages as the model sees them; with `answers`, the text ends with the beginning of an answer."""
    apply = cast(Callable[..., str], tokenizer.apply_chat_template)
    return apply(list(messages), add_generation_prompt=answers, tokenize=False, **arguments)


def ends_of_tokenizer(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokenizer's tokens that end an answer."""
    ends = tokenizer.eos_token_id
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return frozenset(token for token in known if isinstance(token, int))


class Turns:
    """Computes the tokens between two answers with the tokenizer's chat template."""

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
        """Return the tokens of messages, from the end of one answer to the beginning of the next.

        Args:
            messages: The messages between the two answers.
            answer: Further fields of the first answer's message, such as `tool_calls`.

        Raises:
            RecipeError: The chat template does not end answers with one of the tokens that end a turn.
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
            said = "the chat template does not end answers with a token that ends generation: set model.eos_token"
            raise RecipeError("model", [said])
        return ids[end + 1 :]
