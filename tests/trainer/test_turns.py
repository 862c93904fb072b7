"""Completions in turns: feedback, the tokens that are trained on, and limits; our failures never count as zero."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.client.servers import Answer, FaultServer
from tests.trainer.test_training import QUIET, from_start
from trainer.check import Level, check
from trainer.client import client_of
from trainer.config import Interpreter as Options
from trainer.config import Recipe, Repair, parse_recipe
from trainer.data.load import load_problems, verifier_text
from trainer.errors import RecipeError, VerifierDown
from trainer.models import tiny_tokenizer
from trainer.progress import Metrics, Progress, read_metrics
from trainer.report import page as report
from trainer.rewards.reward import Reward, judge, text_of
from trainer.train import Exit, grpo_trainer, prepare, train
from trainer.trl.turns import RepairTrainer
from trainer.turns import calling, repair
from trainer.turns.feedback import feedback
from trainer.turns.interpreter import NO_CALLS_LEFT, NOT_THERE, Desk, Interpreter, cut
from trainer.turns.talk import Message, Room, Talk, Turns, Written, context_of, ends_of_tokenizer
from verifier_service.client import VerifierClient
from verifier_service.schema import Result, Verdict

CALL = {"kind": "call", "entry_point": "f", "cases": [{"args": [x], "expected": x + 77000} for x in (1, 2)]}
STDIO = {"kind": "stdio", "cases": [{"stdin": "1\n", "stdout": "77001\n"}]}
ASSERT = {"kind": "assert", "code": "assert f(1) == 77001"}
PYTEST = {
    "kind": "pytest",
    "files": {
        "test_a.py": "import pytest\nfrom solution import f\n\n"
        "@pytest.mark.parametrize('x,y', [(1, 77001)])\ndef test_one(x, y):\n    assert f(x) == y\n"
    },
}
WRONG = "def f(x):\n    return x\n"
RAISES = "def f(x):\n    raise ValueError('mine')\n"


def recipe(folder: Path, url: str, **changes: Any) -> Recipe:
    """A small run in turns, whose cold start is seconds long."""
    return parse_recipe(
        {
            "name": "turns",
            "output_dir": str(folder),
            "verifier": {"url": url, "patience_s": 600.0},
            "model": {"kind": "tiny", "layers": 1, "width": 64, "heads": 4, "max_tokens": 128},
            "cold_start": {"steps": 40, "batch": 16, "learning_rate": 5e-3},
            "grpo": {
                "max_steps": 1,
                "num_generations": 4,
                "per_device_train_batch_size": 16,
                "learning_rate": 3e-4,
                "max_completion_length": 80,
                "gradient_checkpointing": False,
            },
            **changes,
        }
    )


def repairing(folder: Path, url: str, **changes: Any) -> Recipe:
    data = {"kind": "functions", "order": "untold", "limit": 200}
    held_out = {"data": [{**data, "split": "held_out", "limit": 4}], "samples": 1, "before": False}
    return recipe(folder, url, repair={"max_turns": 2}, data=[data], evaluation=held_out, **changes)


def calculating(folder: Path, url: str, **changes: Any) -> Recipe:
    data = {"kind": "products", "limit": 200}
    held_out = {"data": [{**data, "split": "held_out", "limit": 4}], "samples": 1, "before": False}
    options = {"max_calls": 2, "output_chars": 40}
    return recipe(folder, url, interpreter=options, data=[data], evaluation=held_out, **changes)


def cold_started(small: Recipe) -> Path:
    """Do the cold start of a run, and return its folder."""
    with client_of(small.verifier) as client:
        prepare(small, client, QUIET)
    return small.run_dir


@pytest.fixture(scope="module")
def repairs(verifier_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cold_started(repairing(tmp_path_factory.mktemp("repairs") / "run", verifier_url))


@pytest.fixture(scope="module")
def calls(verifier_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cold_started(calculating(tmp_path_factory.mktemp("calls") / "run", verifier_url))


@contextmanager
def changed(url: str, change: Any) -> Iterator[FaultServer]:
    """A proxy for a real verifier; `change` gets each request and its answer."""

    def answer(_: int, body: bytes) -> Answer:
        asked = json.loads(body)
        path = "run" if "runs" in asked else "verify"
        found = httpx.post(f"{url}/v1/{path}", content=body, timeout=600).json()
        change(asked, found)
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    with FaultServer(answer) as server:
        yield server


Judged = dict[tuple[str, str], tuple[dict[str, Any], Result]]


def judged_of(client: VerifierClient, pairs: Sequence[tuple[dict[str, Any], str]]) -> Judged:
    """Judge programs with tests; return the results by the kind of the tests and the program."""
    submissions = [{"kind": "code", "language": "python", "tests": tests} for tests, _ in pairs]
    texts = [text for _, text in pairs]
    results = client.verify([{**one, "completion": text} for one, text in zip(submissions, texts, strict=True)])
    names = [(tests["kind"], text) for tests, text in pairs]
    return dict(zip(names, zip(submissions, results, strict=True), strict=True))


def test_what_is_expected_is_told_where_the_recipe_says_so_and_nowhere_else(verifier_url: str) -> None:
    broken, long = "def f(x) return\n", f"def f(x):\n    raise ValueError('{'y' * 400}')\n"
    pairs = [(tests, program) for tests in (CALL, STDIO, ASSERT, PYTEST) for program in (WRONG, RAISES)]
    with VerifierClient(verifier_url) as client:
        judged = judged_of(client, [*pairs, (CALL, broken), (CALL, long), (STDIO, "print(2)\n")])

        def told(tests: dict[str, Any], program: str, show: str, most: int = 500) -> str:
            submission, result = judged[tests["kind"], program]
            options = Repair.model_validate({"show": show, "message_chars": most})
            return feedback(result, submission, options)

        assert not [1 for pair in pairs for show in ("verdict", "input") if "7700" in told(*pair, show)]
        assert told(CALL, WRONG, "input").splitlines() == [
            "wrong_answer: 0 of 2 tests passed",
            "first failed: f(1)",
            "Correct your answer.",
        ]
        assert "expected 77001, got 1" in told(CALL, WRONG, "expected")
        assert "ValueError: mine" in told(CALL, RAISES, "input")
        assert "ValueError" in told(ASSERT, RAISES, "input")
        assert "first failed" not in told(CALL, RAISES, "verdict")
        assert "SyntaxError" in told(CALL, broken, "verdict")
        assert 'input "1\\n"' in told(STDIO, "print(2)\n", "input")
        assert len(told(CALL, long, "input", 50)) < 170
        math = {"kind": "math", "reference": "77001"}
        (result,) = client.verify([{**math, "completion": "\\boxed{1}"}])
        assert feedback(result, math, Repair()) == "wrong_answer\nCorrect your answer."
        assert "77001" in feedback(result, math, Repair(show="expected"))


class Script:
    """Writes prepared texts turn by turn, and records the contexts."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, turns: Sequence[Sequence[str]], ends: bool = True) -> None:
        self.tokenizer, self.turns, self.contexts = tokenizer, iter(turns), list[list[list[int]]]()
        self.end = [tokenizer.eos_token_id] if ends else []

    def __call__(self, contexts: list[list[int]], _: bool) -> list[Written]:
        self.contexts.append(contexts)
        texts = next(self.turns)
        ids = [[*self.tokenizer(text, add_special_tokens=False)["input_ids"], *self.end] for text in texts]
        return [Written(one, [-0.5] * len(one)) for one in ids]


def test_an_answer_is_written_anew_after_what_was_found_and_only_that_is_masked(
    verifier_url: str, tmp_path: Path
) -> None:
    small = repairing(tmp_path, verifier_url)
    problem = next(p for p in load_problems(small.data, 0) if p.demonstration)
    tokenizer = tiny_tokenizer(small, [problem])
    ends = ends_of_tokenizer(tokenizer)
    turns, room = Turns(tokenizer, None, {}, ends), Room(100, None, ends)
    wrong, right = str(problem.demonstration), str(problem.solution)
    with client_of(small.verifier) as client:

        def judged(completions: Sequence[Any], verifier: Sequence[str]) -> list[Result]:
            return judge(client, list(zip(verifier, map(text_of, completions), strict=True))).results

        script = Script(tokenizer, [[wrong, right], [right]])
        talks = [Talk([7]), Talk([7])]
        specs = [verifier_text(problem)] * 2
        assert small.repair is not None
        repair.converse(talks, specs, small.repair, script, judged, tokenizer, turns, room)
        first = talks[0]
        assert [r.verdict for r in first.results] == [Verdict.WRONG_ANSWER, Verdict.ACCEPTED]
        assert [repair.solved_at(talk.results) for talk in talks] == [2, 1]
        assert [message["role"] for message in first.messages] == ["assistant", "user", "assistant"]
        assert script.contexts[1] == [[7, *first.ids[: len(script.contexts[1][0]) - 1]]], "tokens are only appended"
        masked = tokenizer.decode([t for t, own in zip(first.ids, first.mask, strict=True) if not own])
        assert masked == f"<|user|>{first.messages[1]['content']}<|assistant|>"
        own = tokenizer.decode([t for t, own in zip(first.ids, first.mask, strict=True) if own])
        assert own == f"{wrong}<|end|>{right}<|end|>"
        assert first.logprobs == [-0.5 if own else 0.0 for own in first.mask]
        cut_off = [Talk([7])]
        repair.converse(
            cut_off, specs[:1], small.repair, Script(tokenizer, [[wrong]], ends=False), judged, tokenizer, turns, room
        )
        assert cut_off[0].turns == 1, "what did not come to its own end is not answered"
        narrow = [Talk([7])]
        told_tokens = first.mask.count(0)
        least = len(tokenizer(wrong)["input_ids"]) + 1 + told_tokens
        small_room = Room(least, None, ends)
        repair.converse(
            narrow, specs[:1], small.repair, Script(tokenizer, [[wrong]]), judged, tokenizer, turns, small_room
        )
        assert narrow[0].turns == 1, "a message that leaves no token to answer with is not told"


def test_our_failure_in_the_middle_of_a_conversation_is_none_not_zero(verifier_url: str, tmp_path: Path) -> None:
    """A judge_error ends it after the first turn, and the completion has no reward."""

    def lose(asked: dict[str, Any], found: dict[str, Any]) -> None:
        for result in found["results"]:
            result |= {"verdict": "judge_error", "score": None, "message": "the box died twice"}

    with changed(verifier_url, lose) as server:
        small = repairing(tmp_path / "run", server.url, cold_start=None)
        trainer, scored = one_batch(small)
        assert isinstance(trainer, RepairTrainer)
        assert {talk.turns for talk in trainer._talks} == {1}
        assert all(map(math.isnan, trainer._logs["rewards"]["verifier"]))
        assert not scored["advantages"].any()


def one_batch(small: Recipe) -> tuple[Any, dict[str, torch.Tensor]]:
    """Start a run and write its first batch."""
    client = client_of(small.verifier)
    prepared = prepare(small, client, QUIET)
    progress = Progress(Metrics(small.run_dir / "metrics.jsonl", 0), 1, QUIET, "turns")
    trainer = grpo_trainer(prepared, small.run_dir, Reward(small, client), 1, progress)
    return trainer, trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))


def loss_gradients(trainer: Any, scored: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the gradient of the loss with respect to the log-probability of each token of the completions."""
    kept = []
    inner = trainer._get_per_token_logps_and_entropies

    def watched(*positional: object, **named: object) -> Any:
        found = inner(*positional, **named)
        found[0].retain_grad()
        kept.append(found[0])
        return found

    trainer._get_per_token_logps_and_entropies = watched
    trainer.current_gradient_accumulation_steps = 1
    scored["advantages"] = torch.ones_like(scored["advantages"])
    trainer.model.train()
    trainer.compute_loss(trainer.model, scored).backward()
    return kept[-1].grad


def check_masks(trainer: Any, scored: dict[str, torch.Tensor]) -> list[str]:
    """Check that exactly the policy's tokens have loss; return the text of other tokens, if there are any."""
    own = (scored["completion_mask"] * scored["tool_mask"]).bool()
    gradients = loss_gradients(trainer, scored)
    assert torch.equal(gradients != 0, own)
    assert scored["num_items_in_batch"] == own.sum()
    others = scored["completion_mask"].bool() & ~own
    rows = zip(scored["completion_ids"], others, strict=True)
    return [trainer._tokenizer.decode(ids[mask]) for ids, mask in rows if mask.any()]


def test_what_the_verifier_says_carries_no_loss(verifier_url: str, repairs: Path, tmp_path: Path) -> None:
    from_start(repairs, tmp_path / "run")
    trainer, scored = one_batch(repairing(tmp_path / "run", verifier_url))
    said = check_masks(trainer, scored)
    expected = [t.messages[1]["content"] for t in trainer._talks if t.turns == 2]
    assert expected
    unknown = trainer._tokenizer.unk_token
    known = [text for text in said if unknown not in text]
    assert len(said) == len(expected)
    assert set(known) <= {f"<|user|>{text}<|assistant|>" for text in expected}


def test_what_the_interpreter_says_carries_no_loss(verifier_url: str, calls: Path, tmp_path: Path) -> None:
    from_start(calls, tmp_path / "run")
    trainer, scored = one_batch(calculating(tmp_path / "run", verifier_url))
    said = check_masks(trainer, scored)
    assert said
    assert all(text.startswith("<|tool|>") and text.endswith("<|assistant|>") for text in said)
    environment = trainer.environments[0]
    message: Message = {"role": "tool", "name": "python", "content": "408"}
    call = {"type": "function", "function": {"name": "python", "arguments": {"code": "print(12*34)"}}}
    turns = Turns(trainer._tokenizer, None, {}, ends_of_tokenizer(trainer._tokenizer))
    assert turns.told([message], {"tool_calls": [call]}) == trainer._get_tool_suffix_ids([message])
    assert isinstance(environment, Interpreter)


def test_a_run_in_turns_says_what_was_solved_when(verifier_url: str, repairs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    from_start(repairs, folder)
    small = repairing(folder, verifier_url, control={"steps": 1})
    assert train(small, QUIET, from_start=True) is Exit.DONE
    report.write(folder, QUIET)
    rows = read_metrics(folder / "metrics.jsonl")
    for row in rows:
        share = row["turns/solved_at_1"] + row["turns/solved_at_2"]
        assert share == pytest.approx(row["verifier/accepted_share"])
        assert 1 <= row["turns/used"] <= 2
    tables = [pd.read_parquet(path) for path in sorted((folder / "completions").glob("*.parquet"))]
    for row in (row for table in tables for row in table.to_dict("records")):
        assert [message["role"] for message in row["completion"]] == ["assistant", "user", "assistant"][
            : 2 * row["turns"] - 1
        ]
        assert row["tokens"] <= 80
    summary = json.loads((folder / "evaluations" / "after" / "summary.json").read_text(encoding="utf-8"))
    assert summary["greedy, by turn 2"]["value"] == summary["greedy"]["value"] >= summary["greedy, by turn 1"]["value"]
    assert "greedy, by turn 1" in (folder / "report.html").read_text(encoding="utf-8")
    coin = read_metrics(folder / "control" / "metrics.jsonl")
    assert "turns/solved_at_2" in coin[0], "the coin's policy is told what the verifier found, too"


def test_a_run_with_an_interpreter_says_how_often_it_was_called(verifier_url: str, calls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    from_start(calls, folder)
    small = calculating(folder, verifier_url)
    assert train(small, QUIET, from_start=True) is Exit.DONE
    rows = read_metrics(folder / "metrics.jsonl")
    assert rows[0]["interpreter/used_share"] > 0
    assert rows[0]["interpreter/lost_share"] == 0
    assert rows[0]["tools/call_frequency"] >= rows[0]["interpreter/calls"], "TRL counts calls of unknown tools, too"
    table = pd.read_parquet(sorted((folder / "completions").glob("*.parquet"))[0]).to_dict("records")
    caller = next(row for row in table if row["calls"])
    assert caller["completion"][0]["tool_calls"].startswith("python {'code': ")
    assert caller["completion"][1]["role"] == "tool"
    summary = json.loads((folder / "evaluations" / "after" / "summary.json").read_text(encoding="utf-8"))
    assert 0 <= summary["greedy, with a call"]["value"] <= 1


def test_a_call_is_bounded_in_time_output_and_number(verifier_url: str) -> None:
    limits = {"max_calls": 5, "time_limit_s": 0.2, "wall_limit_s": 0.5, "output_chars": 60}
    options = Options.model_validate(limits)
    with VerifierClient(verifier_url) as client:
        tool = Interpreter(Desk(client, options))
        tool.reset(prompt="?")
        assert tool.python("print(6 * 7)") == "42"
        assert tool.python("while True: pass").endswith("error: it took more than 0.2 s of CPU time")
        assert tool.python("import time; time.sleep(9)").endswith("error: it took more than 0.5 s")
        assert len(tool.python("print('x' * 10**7)")) < 70
        assert tool.python("1 / 0").endswith("error: exit code 1")
        assert tool.python("print(1)") == NO_CALLS_LEFT
        assert (tool.calls, tool.errors, tool.is_lost) == (6, 5, False)
        tool.reset()
        assert tool.python("print('\ud800')\x00").endswith("error: exit code None"), "no program stops the batch"
        assert tool.python("x" * 200_000).startswith("error: code has to be a text of at most")
        assert tool.python(7).startswith("error: code has to be")  # type: ignore[arg-type]
        assert (tool.calls, tool.errors, tool.is_lost) == (3, 3, False)
    assert cut("abcdefghij", 4) == "ab ... ij"


def test_a_run_that_the_sandbox_could_not_make_is_no_reward(verifier_url: str, calls: Path, tmp_path: Path) -> None:
    """Every program fails through our fault: completions with a call have no reward, others are judged as usual."""

    def lose(asked: dict[str, Any], found: dict[str, Any]) -> None:
        if "runs" in asked:
            null = dict.fromkeys(("exit_code", "stdout", "stderr", "time_s", "wall_s", "memory_mb"))
            found["results"] = [one | null | {"end": "judge_error", "error": "no box"} for one in found["results"]]

    from_start(calls, tmp_path / "run")
    with changed(verifier_url, lose) as server:
        trainer, _ = one_batch(calculating(tmp_path / "run", server.url))
        rewards = trainer._logs["rewards"]["verifier"]
        lost = [one.is_lost for one in trainer.environments]
        assert any(lost)
        assert [reward != reward for reward in rewards] == lost
        assert trainer._logs["extra"]["verdict"].count("judge_error") == sum(lost)
        assert NOT_THERE in str(trainer._logs["completion"][lost.index(True)])


def test_a_verifier_that_goes_away_between_turns_stops_the_run(verifier_url: str, calls: Path, tmp_path: Path) -> None:
    """TRL treats an exception of a tool as its answer; nothing of such a batch may be rewarded."""
    from_start(calls, tmp_path / "run")
    start = calculating(tmp_path / "run", verifier_url)

    def answer(_: int, body: bytes) -> Answer:
        if b'"runs"' in body:
            return 503, {}, b"away"
        return 200, {}, httpx.post(f"{verifier_url}/v1/verify", content=body, timeout=600).content

    with FaultServer(answer) as server:
        away = start.verifier.model_copy(update={"url": server.url, "patience_s": 0.2})
        with pytest.raises(VerifierDown, match="503"):
            one_batch(start.model_copy(update={"verifier": away}))


def test_an_evaluation_calls_as_training_does(verifier_url: str, tmp_path: Path) -> None:
    """A call, its output, an answer; unknown tools and unknown arguments get an error message."""
    small = calculating(tmp_path, verifier_url)
    tokenizer = tiny_tokenizer(small, load_problems(small.data, 0))
    ends = ends_of_tokenizer(tokenizer)
    assert calling.tool_template(tokenizer, "turns") is None
    assert small.interpreter is not None
    with client_of(small.verifier) as client:
        desk = Desk(client, small.interpreter)
        environments = [Interpreter(desk) for _ in range(3)]
        calls = ["<|call|>python<|code|>print(12*34)<|done|>", "<|call|>print<|code|>print(1)<|done|>", "\\boxed{1}"]
        again = ["\\boxed{408}", "<|call|>python<|done|>"]
        script = Script(tokenizer, [calls, again, ["\\boxed{2}"]])
        start = tokenizer.get_vocab()["<|assistant|>"]
        talks = [Talk([start]) for _ in calls]
        turns, room = Turns(tokenizer, None, {}, ends), Room(100, None, ends)
        calling.converse(talks, environments, script, tokenizer, turns, room)
    assert [text_of(talk.messages) for talk in talks] == ["\\boxed{408}", "\\boxed{2}", "\\boxed{1}"]
    assert talks[0].messages[1] == {"role": "tool", "name": "python", "content": "408"}
    assert "not found" in str(talks[1].messages[1]["content"])
    assert "missing 1 required positional argument" in str(talks[1].messages[3]["content"])
    assert [one.calls for one in environments] == [1, 0, 0]


def test_the_reward_counts_the_policys_tokens_and_judges_what_it_said_last(verifier_url: str) -> None:
    parts = [{"kind": "verbosity", "free_tokens": 0, "full_tokens": 10}]
    values = {"name": "r", "model": {"kind": "tiny"}, "data": [{"kind": "addition"}], "reward": parts}
    small = parse_recipe({**values, "grpo": {"max_steps": 1, "learning_rate": 1e-3}})
    talk = [
        {"role": "assistant", "content": "\\boxed{5}"},
        {"role": "user", "content": "wrong_answer"},
        {"role": "assistant", "content": "\\boxed{4}"},
    ]
    with VerifierClient(verifier_url) as client:
        rewards = Reward(small, client)(
            prompts=["?"] * 2,
            completions=[talk, talk],
            completion_ids=[[0] * 10] * 2,
            verifier=['{"kind": "math", "reference": "4"}'] * 2,
            own_tokens=[5, 5],
            is_lost=[False, True],
        )
    assert rewards == [-0.5, None]
    assert text_of(talk) == "\\boxed{4}"


def test_what_does_not_go_together_is_refused_and_what_gives_answers_away_is_named(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(RecipeError, match="repair and dynamic_sampling cannot be combined"):
        repairing(tmp_path, url, dynamic_sampling={})
    with pytest.raises(RecipeError, match="repair needs a chat template"):
        repairing(tmp_path, url, prompt={"chat": False})
    given = repairing(tmp_path, url).model_dump(mode="json") | {"repair": {"max_turns": 6, "show": "expected"}}
    found = [one for one in check(parse_recipe(given), offline=True) if one.what == "repair"]
    assert [one.level for one in found] == [Level.PROBLEM]
    assert "200 of 200 problems have no further test" in found[0].text
    given |= {"data": [{"kind": "addition", "digits": 2, "limit": 20}], "repair": {"max_turns": 2, "show": "expected"}}
    found = [one for one in check(parse_recipe(given), offline=True) if one.what == "repair"]
    assert [one.level for one in found] == [Level.PROBLEM], "a reference of math is all that there is to know"
    server = calculating(tmp_path, url).model_dump(mode="json") | {"vllm": {"vllm_mode": "server"}}
    levels = [
        [one.level for one in check(parse_recipe(server), True, processes) if one.what == "interpreter"]
        for processes in (1, 2)
    ]
    assert levels == [[Level.OK], [Level.PROBLEM]]


@pytest.mark.parametrize(("limit", "context"), [(None, 64), (32, 32), (128, 64)])
def test_a_completion_in_turns_has_the_room_of_whoever_writes(limit: int | None, context: int) -> None:
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=64,
        )
    )
    assert context_of(model, limit) == context
