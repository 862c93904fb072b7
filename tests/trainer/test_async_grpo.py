"""AsyncGRPO: recipes that cannot run are refused before anything is moved; the rest runs on a CPU with vLLM's protocol.

The test's server generates with the tiny model and receives the trainer's weights within its process. Only three things
replace CUDA: the attention kernel, the card's name, and the transfer by NCCL.
"""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import AttentionInterface, AutoModelForCausalLM

from tests.trainer.test_training import QUIET
from trainer.client import client_of
from trainer.config import Recipe, parse_recipe
from trainer.data.load import in_training_order, load_problems
from trainer.errors import RecipeError
from trainer.models import base_model, load_tokenizer
from trainer.progress import Metrics, Progress, read_metrics
from trainer.rewards.reward import Reward
from trainer.train import train
from trainer.trl.asynchronous import async_trainer, lacking, refused

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
TINY = {"kind": "tiny", "layers": 1, "width": 32, "heads": 4, "max_tokens": 64}


def recipe(folder: Path, url: str, model: dict[str, Any], server: str, **grpo: Any) -> Recipe:
    return parse_recipe(
        {
            "name": "asynchronous",
            "output_dir": str(folder),
            "verifier": {"url": url},
            "model": model,
            "data": [{"kind": "addition", "digits": 1, "working": False}],
            "grpo": {
                "max_steps": 2,
                "num_generations": 4,
                "per_device_train_batch_size": 8,
                "learning_rate": 1e-3,
                "max_completion_length": 8,
                "gradient_checkpointing": False,
                "bf16": False,
                **grpo,
            },
            "async_grpo": {"vllm_server_base_url": server},
            "evaluation": {"before": False, "after": False},
        }
    )


def test_what_cannot_run_is_refused_before_anything_is_moved(verifier_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("name: older\n", encoding="utf-8")
    small = recipe(folder, verifier_url, {"kind": "pretrained", "name": "org/model"}, "http://127.0.0.1:9")
    with pytest.raises(RecipeError) as refusal:
        train(small, QUIET)
    assert "async_grpo needs the package vllm, which is not installed here" in refusal.value.problems
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (folder / "recipe.yaml").read_text(encoding="utf-8") == "name: older\n"
    assert small.async_grpo is not None
    assert any("no vLLM server answers at this address" in text for text in lacking(small.async_grpo, small))


def test_what_async_grpo_does_not_do_is_named(tmp_path: Path) -> None:
    values = recipe(tmp_path, "http://127.0.0.1:9", TINY, "http://127.0.0.1:9", beta=0.1).model_dump(mode="json")
    values |= {"repair": {}, "control": {"steps": 1}, "evaluation": {"before": True}}
    found = refused(parse_recipe(values))
    assert found == [
        "async_grpo does not support repair: remove it",
        "async_grpo does not support control: remove it",
        "grpo.beta is 0.1: AsyncGRPO supports only 0.0",
        "async_grpo needs a model that a vLLM server can serve, not kind tiny",
        "async_grpo does not evaluate: set evaluation.before and evaluation.after to false, remove "
        "evaluation.every_steps, and run `evaluate` afterwards",
    ]


class Server:
    """Answers AsyncGRPO's requests to a vLLM server with a transformers model."""

    def __init__(self, folder: str) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder)
        self.syncs = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({"data": [{"id": folder, "max_model_len": 64}]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    self._answer(server.write(asked))

            def _answer(self, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @torch.no_grad()
    def write(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer `/v1/completions`."""
        prompt = torch.tensor([asked["prompt"]])
        out: Any = self.model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=asked["max_tokens"],
            do_sample=True,
            output_logits=True,
            return_dict_in_generate=True,
        )
        ids = out.sequences[0, prompt.shape[1] :].tolist()
        logs = [float(step[0].log_softmax(-1)[token]) for step, token in zip(out.logits, ids, strict=True)]
        return {"choices": [{"token_ids": ids, "logprobs": {"token_logprobs": logs}}]}

    # The transfer of weights, in place of NCCL.
    def init_weight_transfer(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def destroy(self) -> None:
        self._http.shutdown()

    def send_weights(self, iterator: Iterator[tuple[str, torch.Tensor]]) -> None:
        """Take the policy's weights."""
        with torch.no_grad():
            own = dict(self.model.named_parameters())
            for name, tensor in iterator:
                own[name].copy_(tensor)
        self.syncs += 1


class Worker:
    """TRL's own loop of rollouts, in a thread instead of a process."""

    def __init__(self, **options: Any) -> None:
        from multiprocessing import get_context

        from trl.experimental.async_grpo.async_rollout_worker import _AsyncRolloutLoop

        context = get_context("spawn")
        self.rollout_buffer: queue.Queue[Any] = queue.Queue()
        self.metrics_queue: queue.Queue[Any] = queue.Queue()
        self._version = context.Value("i", 0)
        self._failed, self._said = threading.Event(), queue.Queue()
        self._loop: Any = _AsyncRolloutLoop(
            **options,
            rollout_buffer=self.rollout_buffer,  # type: ignore[arg-type]
            model_version_value=self._version,
            heartbeat_value=context.Value("d", 0.0),
            failed_event=self._failed,  # type: ignore[arg-type]
            exception_info_queue=self._said,  # type: ignore[arg-type]
            metrics_queue=self.metrics_queue,  # type: ignore[arg-type]
        )
        self._thread = threading.Thread(target=self._loop.run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop._loop.call_soon_threadsafe(self._loop._stop_event.set)
        self._thread.join(timeout=60)

    def update_model_version(self, model_version: int) -> None:
        self._version.value = model_version

    def check_health(self, stale_after_s: float) -> None:
        assert not self._failed.is_set(), self._said.get()


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    tree_kv_index: torch.Tensor,
    tree_cu_seqlens_q: torch.Tensor,
    tree_cu_seqlens_k: torch.Tensor,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Compute what flash attention 3 does for packed rows: each token attends to its own segment, up to itself."""
    q, k, v = (x[0] for x in (query, key[:, :, tree_kv_index], value[:, :, tree_kv_index]))
    parts = []
    for segment in range(len(tree_cu_seqlens_q) - 1):
        (a, b), (c, d) = (cu[segment : segment + 2].tolist() for cu in (tree_cu_seqlens_q, tree_cu_seqlens_k))
        seen = torch.ones(b - a, d - c, dtype=torch.bool).tril(d - c - (b - a))
        parts.append(torch.nn.functional.scaled_dot_product_attention(q[:, a:b], k[:, c:d], v[:, c:d], seen))
    return torch.cat(parts, dim=1).transpose(0, 1).unsqueeze(0), None


def test_it_trains_on_what_a_server_wrote_and_the_verifier_judged(
    verifier_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps: rollouts over vLLM's protocol, rewards from the real verifier, a loss, and weights sent back."""
    from trl.experimental.async_grpo import async_grpo_trainer as trls

    monkeypatch.setattr(trls, "get_peak_flops_per_device", lambda *_: None)  # it asks CUDA for the card's name
    maker = recipe(tmp_path / "maker", verifier_url, TINY, "http://127.0.0.1:9")
    problems = load_problems(maker.data, 0)
    name = base_model(maker, problems)
    server = Server(name)
    model = {"kind": "pretrained", "name": name, "dtype": "float32"}
    small = recipe(tmp_path / "run", verifier_url, model, server.url)
    assert refused(small) == []
    tokenizer = load_tokenizer(small, name)
    with client_of(small.verifier) as client:
        reward = Reward(small, client)
        ordered = in_training_order(problems, small, 1)
        worker = Worker(
            model_name=name,
            dataset=ordered,
            reward_funcs=[reward],
            processing_class=with_template(tokenizer),
            eos_token_ids=[tokenizer.eos_token_id],
            num_generations=4,
            max_inflight_tasks=8,
            vllm_server_url=server.url,
            max_tokens=8,
        )
        progress = Progress(Metrics(small.run_dir / "metrics.jsonl", 0), 2, QUIET, "asynchronous")
        trainer = async_trainer(small, small.run_dir, tokenizer, ordered, reward, progress, cast(Any, worker), server)
        AttentionInterface.register("tree_fa3", attention)
        trainer.train()
    rows = read_metrics(small.run_dir / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["reward"] is not None and abs(row["ratio"] - 1) < 0.2 for row in rows)
    assert server.syncs == 3, "once before the first step, and after each"
    assert trainer.model is not None
    trained = dict(trainer.model.named_parameters())
    assert all(torch.equal(own, trained[name]) for name, own in server.model.named_parameters())


def with_template(tokenizer: Any) -> Any:
    """Add what TRL's loop needs for parsing answers to the tiny tokenizer."""
    tokenizer.response_template = {
        "defaults": {"role": "assistant"},
        "start_anchor": "<|assistant|>",
        "fields": {"content": {"close": "<|end|>", "content": "text"}},
    }
    return tokenizer
