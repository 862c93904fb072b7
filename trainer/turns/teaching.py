"""Demonstrations in several turns, as tokens, for the cold start of a recipe with repair or an interpreter.

The feedback on demonstrated answers comes from the real verifier, and the output of demonstrated programs from the real
sandbox. As in the training that follows, only tokens that the policy is to write contribute to the loss.
"""

import json
from collections.abc import Sequence
from typing import TypedDict

from transformers import PreTrainedTokenizerBase

from trainer.config import Recipe
from trainer.data.load import conversation, token_ids, verifier_text
from trainer.data.tasks import Problem
from trainer.errors import DataError
from trainer.rewards.reward import judge
from trainer.turns import calling
from trainer.turns.feedback import feedback
from trainer.turns.interpreter import TOOL, Desk, Interpreter, called
from trainer.turns.talk import Message, Talk, Turns, Written, ends_of_tokenizer, render
from verifier_service.client import VerifierClient
from verifier_service.schema import Verdict

IGNORED = -100  # the label that PyTorch's cross entropy ignores
NO_LIMIT = 10**9


class Shown(TypedDict):
    """One demonstration in the format of TRL's SFTTrainer; labels are -100 for tokens that are not imitated."""

    input_ids: list[int]
    labels: list[int]


def shown_in_turns(
    recipe: Recipe, problems: Sequence[Problem], tokenizer: PreTrainedTokenizerBase, client: VerifierClient
) -> list[Shown]:
    """Return the demonstrations of the problems.

    Raises:
        DataError: The chat template renders an answer differently if it is not the last message.
        VerifierDown, VerifierRefused: As the client.
    """
    talks = (
        _repaired(recipe, problems, tokenizer, client)
        if recipe.repair
        else _calling(recipe, problems, tokenizer, client)
    )
    return [
        {
            "input_ids": talk.context,
            "labels": [IGNORED] * len(talk.prompt_ids)
            + [token if written else IGNORED for token, written in zip(talk.ids, talk.mask, strict=True)],
        }
        for talk in talks
    ]


def _repaired(
    recipe: Recipe, problems: Sequence[Problem], tokenizer: PreTrainedTokenizerBase, client: VerifierClient
) -> list[Talk]:
    assert recipe.repair is not None, "callers pass only recipes with repair"
    arguments = recipe.prompt.chat_template_kwargs
    turns = Turns(tokenizer, None, arguments, ends_of_tokenizer(tokenizer))
    results = judge(client, [(verifier_text(problem), problem.shown or "") for problem in problems]).results
    talks = []
    for problem, result in zip(problems, results, strict=True):
        talk = Talk(token_ids(conversation(problem, recipe.prompt), tokenizer, arguments))
        _answer(talk, problem.shown or "", tokenizer)
        again = problem.retry if problem.retry is not None else problem.solution
        if result.verdict not in (Verdict.ACCEPTED, Verdict.JUDGE_ERROR) and again is not None:
            message: Message = {"role": "user", "content": feedback(result, problem.submission, recipe.repair)}
            talk.tell(turns.told([message]), [message])
            _answer(talk, again, tokenizer)
        talks.append(talk)
    return talks


def _calling(
    recipe: Recipe, problems: Sequence[Problem], tokenizer: PreTrainedTokenizerBase, client: VerifierClient
) -> list[Talk]:
    assert recipe.interpreter is not None, "callers pass only recipes with an interpreter"
    desk = Desk(client, recipe.interpreter)
    desk.ahead(problem.program for problem in problems if problem.program is not None)
    if desk.failure is not None:
        raise desk.failure
    environment = Interpreter(desk)
    template = calling.tool_template(tokenizer, recipe.name)
    arguments = {"chat_template": template, **recipe.prompt.chat_template_kwargs}
    turns = Turns(tokenizer, template, recipe.prompt.chat_template_kwargs, ends_of_tokenizer(tokenizer))
    talks = []
    for problem in problems:
        prompt = conversation(problem, recipe.prompt)
        talk = Talk(token_ids(prompt, tokenizer, {"tools": [environment.python], **arguments}))
        if problem.program is not None:
            call: Message = {"type": "function", "function": {"name": TOOL, "arguments": {"code": problem.program}}}
            message: Message = {"role": "assistant", "content": "", "tool_calls": [call]}
            talk.write(Written(_rendered(message, tokenizer, arguments)), message, NO_LIMIT)
            environment.reset()
            messages = called(environment, message)
            talk.tell(turns.told(messages, {"tool_calls": [call]}), messages)
        _answer(talk, problem.shown or "", tokenizer)
        talks.append(talk)
    return talks


def _answer(talk: Talk, text: str, tokenizer: PreTrainedTokenizerBase) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    talk.write(Written([*ids, *ends_of_tokenizer(tokenizer)]), {"role": "assistant", "content": text}, NO_LIMIT)


def _rendered(message: Message, tokenizer: PreTrainedTokenizerBase, arguments: dict[str, object]) -> list[int]:
    """Return the tokens that the policy writes for an assistant's message, up to and including the end token."""
    asked: Message = {"role": "user", "content": "?"}
    before = render(tokenizer, [asked], arguments, answers=True)
    whole = render(tokenizer, [asked, message], arguments, answers=False)
    if not whole.startswith(before):
        said = f"cold_start: the chat template renders {json.dumps(message)} differently from what it prompts for"
        raise DataError(f"{said}; set model.chat_template to one that only appends")
    ids = tokenizer(whole[len(before) :], add_special_tokens=False)["input_ids"]
    end = next((place for place, token in enumerate(ids) if token in ends_of_tokenizer(tokenizer)), len(ids) - 1)
    return ids[: end + 1]
