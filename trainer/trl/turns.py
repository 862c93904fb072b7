"""TRL's GRPOTrainer for completions in several turns: answers that are repaired, or that call the interpreter.

Repair uses TRL's `rollout_func`, which returns complete token lists, masks and log-probabilities. The interpreter is an
`environment_factory`, whose tools TRL calls in its own loop, one after the other. To avoid waiting for each call, we
run the programs of all completions together as soon as a turn is written, and TRL's calls only fetch the results.
If the verifier fails in the middle of a batch, the error is raised once the completions are complete, on all processes
together, before any reward is computed.
"""

from collections.abc import Sequence
from typing import TypedDict, cast

import torch
from accelerate.utils import gather_object
from transformers import PreTrainedModel
from trl.chat_template_utils import parse_response
from trl.trainer.grpo_trainer import GRPOTrainer

from trainer.config import Recipe
from trainer.data.load import Messages, Row, token_ids
from trainer.rewards.reward import Reward
from trainer.trl.names import GENERATED_COMPLETIONS, GENERATED_MASK
from trainer.trl.overlap import Generated, OverlappingTrainer
from trainer.turns import repair
from trainer.turns.interpreter import Desk, Interpreter, plain, programs_in
from trainer.turns.talk import Message, Room, Talk, Turns, Written, context_of


class RolledOut(TypedDict):
    """The result of a `rollout_func`, as TRL expects it. `env_mask` is 0 for tokens that the policy did not write."""

    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    logprobs: list[list[float]] | None
    env_mask: list[list[int]]


def roll_out(prompts: list[Messages], trainer: "RepairTrainer") -> RolledOut:
    """Roll out the prompts of one process; this is TRL's `rollout_func`."""
    return trainer.roll_out(prompts)


class TurnsTrainer(OverlappingTrainer):
    """The common base of both trainers.

    `asked` judges answers between turns. It is the reward itself, except in the control, whose reward is a coin toss.
    """

    asked: Reward
    recipe: Recipe

    def _tell_reward(self, own_tokens: Sequence[int], is_lost: Sequence[bool]) -> None:
        """Add columns for the reward: the number of tokens that the policy wrote, and whether a failure was ours."""
        self._rows[:] = [
            cast(Row, {**row, "own_tokens": tokens, "is_lost": lost})
            for row, tokens, lost in zip(self._rows, own_tokens, is_lost, strict=True)
        ]


class RepairTrainer(TurnsTrainer):
    """Lets the policy rewrite an answer that is not accepted, after showing it what the verifier found."""

    _talks: list[Talk]

    def roll_out(self, prompts: list[Messages]) -> RolledOut:
        """Generate all turns of a batch."""
        options, arguments = self.recipe.repair, self.recipe.prompt.chat_template_kwargs
        assert options is not None, "this trainer is only used for recipes with repair"
        self.asked.forget()  # results of the previous batch; a control never asks for their rewards
        ends = frozenset(self.eos_token_ids)
        model = cast(PreTrainedModel, self.accelerator.unwrap_model(self.model))
        context = context_of(model, self.recipe.vllm.vllm_max_model_length if self.recipe.vllm else None)
        self._talks = [Talk(token_ids(prompt, self._tokenizer, arguments)) for prompt in prompts]
        repair.converse(
            self._talks,
            [row["verifier"] for row in self._rows],
            options,
            self._write,
            self.asked.results,
            self._tokenizer,
            Turns(self._tokenizer, None, arguments, ends),
            Room(self.recipe.grpo.max_completion_length, context, ends),
            self._most,
        )
        logprobs = [talk.logprobs for talk in self._talks]
        return {
            "prompt_ids": [talk.prompt_ids for talk in self._talks],
            "completion_ids": [talk.ids for talk in self._talks],
            "logprobs": None if None in logprobs else cast(list[list[float]], logprobs),
            "env_mask": [talk.mask for talk in self._talks],
        }

    def _write(self, contexts: list[list[int]], is_first: bool) -> list[Written]:
        """Generate one turn. All processes write the same number of completions: sharding and gathering require it."""
        most = self._most(len(contexts))
        padded = contexts + [contexts[0] if contexts else self._talks[0].prompt_ids] * (most - len(contexts))
        each = self.recipe.grpo.num_generations if is_first else 1
        ids, logprobs = self._generate_single_turn(padded, None, {}, each)
        own = ids[: len(contexts)]
        if logprobs is None:
            return [Written(new) for new in own]
        drawn = cast(list[list[float]], logprobs)[: len(own)]
        return [Written(new, those) for new, those in zip(own, drawn, strict=True)]

    def _most(self, own: int) -> int:
        return max(gather_object([own])) if self.asked.groups.processes > 1 else own

    def _generate(self, prompts: list[Messages]) -> Generated:
        """Generate as TRL does, but return conversations: TRL would decode all tokens as a single answer."""
        generated = list(GRPOTrainer._generate(self, prompts))  # skips the base's send_ahead: these are judged already
        generated[GENERATED_COMPLETIONS] = [plain(talk.messages) for talk in self._talks]
        self._tell_reward([sum(talk.mask) for talk in self._talks], [False] * len(self._talks))
        self._log_turns()
        return tuple(generated)

    def _log_turns(self) -> None:
        solved = [repair.solved_at(talk.results) for talk in self._talks]
        self._log_completion_extra("turns", [talk.turns for talk in self._talks])
        self._log_completion_extra("solved_at", solved)
        assert self.recipe.repair is not None
        for talk, at in zip(self._talks, solved, strict=True):
            self._log_metric("turns/used", float(talk.turns))
            for turn in range(1, self.recipe.repair.max_turns + 1):
                self._log_metric(f"turns/solved_at_{turn}", float(at == turn))


class InterpreterTrainer(TurnsTrainer):
    """Runs the programs of all interpreter calls of a turn together, before TRL asks for them one by one."""

    desk: Desk

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: None,
        multimodal_fields: dict[str, torch.Tensor],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float]] | None]:
        written = super()._generate_single_turn(prompt_ids, images, multimodal_fields, num_generations, has_tool_images)
        messages: list[Message] = [
            parse_response(self._tokenizer, ids, prefix=prompt, tools=list(self.tools))
            for ids, prompt in zip(written[0], prompt_ids, strict=True)
        ]
        self.desk.ahead(programs_in(messages, self.desk.options))
        return written

    def _generate(self, prompts: list[Messages]) -> Generated:
        self.desk.clear()
        generated = list(super()._generate(prompts))
        self.asked.agree(self.desk.failure)
        environments = cast(list[Interpreter], self.environments)
        generated[GENERATED_COMPLETIONS] = [plain(messages) for messages in generated[GENERATED_COMPLETIONS]]
        self._tell_reward([sum(mask) for mask in generated[GENERATED_MASK]], [one.is_lost for one in environments])
        self._log_completion_extra("calls", [one.calls for one in environments])
        self._log_completion_extra("call_errors", [one.errors for one in environments])
        for one in environments:
            self._log_metric("interpreter/calls", float(one.calls))
            self._log_metric("interpreter/used_share", float(one.calls > 0))
            self._log_metric("interpreter/lost_share", float(one.is_lost))
            if one.calls:
                self._log_metric("interpreter/error_share", one.errors / one.calls)
        return tuple(generated)
