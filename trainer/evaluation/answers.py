"""Judged answers of a model outside of training, in one turn or in the turns that its recipe allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.config import Recipe
from trainer.data.load import conversation, token_ids, verifier_text
from trainer.data.tasks import Problem
from trainer.evaluation.generation import Sampling, Writer, complete, complete_ids, ends_of
from trainer.rewards.reward import Completion, judge, text_of
from trainer.turns import calling, repair
from trainer.turns.interpreter import Desk, Interpreter
from trainer.turns.talk import Room, Talk, Turns, Written, context_of
from verifier_service.client import VerifierClient
from verifier_service.schema import Result, UnreadResult, Verdict


@dataclass(frozen=True)
class Answer:
    """The last answer to a problem with its result, the verdicts of all turns, and the interpreter calls.

    `result` is a `judge_error` also if an interpreter call failed through no fault of the policy.
    """

    text: str
    result: Result
    verdicts: tuple[Verdict, ...] = ()
    calls: int = 0
    errors: int = 0


def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    recipe: Recipe,
    sampling: Sampling,
    client: VerifierClient,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Answer]:
    """Answer each problem once, the way the recipe's policy does, and judge the answers.

    Args:
        model: The model that answers.
        tokenizer: Its tokenizer.
        problems: The problems.
        recipe: Says how the policy answers: prompt, repair, interpreter.
        sampling: How completions are sampled.
        client: The verifier.
        progress: Called with the number of additional completions that are done.

    Returns:
        One answer for each problem, in order.

    Raises:
        VerifierError: As `VerifierClient.verify`.
    """
    if recipe.repair is None and recipe.interpreter is None:
        texts = complete(model, tokenizer, [conversation(p, recipe.prompt) for p in problems], sampling, progress)
        return [Answer(text, result) for text, result in zip(texts, _judge(client, problems, texts), strict=True)]
    answers = in_turns(model, tokenizer, problems, recipe, sampling, client)
    progress(len(answers))
    return answers


def turn_settings(recipe: Recipe) -> dict[str, object]:
    """Return the settings for answering in turns; empty if the policy answers in one turn."""
    parts = {"repair": recipe.repair, "interpreter": recipe.interpreter}
    return {name: part.model_dump() for name, part in parts.items() if part is not None}


def in_turns(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    recipe: Recipe,
    sampling: Sampling,
    client: VerifierClient,
    writer: Writer | None = None,
) -> list[Answer]:
    """Do the same as `answer` for a recipe with repair or an interpreter. A `writer` generates instead of the model."""

    def write(contexts: list[list[int]], _: bool) -> list[Written]:
        if writer is not None:
            return [Written(ids) for ids in writer.write(contexts, sampling)]
        return [Written(ids) for ids in complete_ids(model, tokenizer, contexts, sampling)]

    def judged(completions: Sequence[Completion], verifier: Sequence[str]) -> list[Result]:
        return judge(client, list(zip(verifier, map(text_of, completions), strict=True))).results

    arguments = sampling.chat_template_kwargs
    ends = ends_of(model, tokenizer)
    limit = recipe.vllm.vllm_max_model_length if recipe.vllm is not None and writer is not None else None
    room = Room(sampling.max_tokens, context_of(model, limit), ends)
    if recipe.repair is not None:
        prompts = [token_ids(conversation(p, recipe.prompt), tokenizer, arguments) for p in problems]
        talks = [Talk(ids) for ids in prompts]
        specs, turns = [verifier_text(problem) for problem in problems], Turns(tokenizer, None, arguments, ends)
        repair.converse(talks, specs, recipe.repair, write, judged, tokenizer, turns, room)
        return [
            Answer(text_of(talk.messages), talk.results[-1], tuple(r.verdict for r in talk.results)) for talk in talks
        ]
    assert recipe.interpreter is not None, "callers pass only recipes with repair or an interpreter"
    desk = Desk(client, recipe.interpreter)
    environments = [Interpreter(desk) for _ in problems]
    template = calling.tool_template(tokenizer, recipe.name)
    options = {"tools": [environments[0].python], "chat_template": template, **arguments}
    talks = [Talk(token_ids(conversation(p, recipe.prompt), tokenizer, options)) for p in problems]
    calling.converse(talks, environments, write, tokenizer, Turns(tokenizer, template, arguments, ends), room)
    if desk.failure is not None:
        raise desk.failure
    texts = [text_of(talk.messages) for talk in talks]
    return [
        Answer(text, UnreadResult.judge_error(None, "lost") if e.is_lost else result, (), e.calls, e.errors)
        for text, result, e in zip(texts, _judge(client, problems, texts), environments, strict=True)
    ]


def _judge(client: VerifierClient, problems: Sequence[Problem], texts: Sequence[str]) -> list[Result]:
    return judge(
        client, [(verifier_text(problem), text) for problem, text in zip(problems, texts, strict=True)]
    ).results
