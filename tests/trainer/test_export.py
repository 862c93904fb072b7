"""A merged model computes the same as the model with its adapter."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from peft import get_peft_model
from rich.console import Console

from tests.trainer.test_algorithms import recipe
from trainer.config import Adapter
from trainer.data.load import load_problems
from trainer.errors import DataError
from trainer.export import merge, push
from trainer.models import base_model, load_model, lora_config

QUIET = Console(quiet=True)


@pytest.mark.parametrize(
    "adapter",
    [
        Adapter(rank=4),
        Adapter(rank=4, use_rslora=True),
        Adapter(rank=4, use_dora=True, targets=["q_proj", "v_proj"], modules_to_save=["norm"]),
    ],
)
def test_a_merged_model_computes_what_the_adapter_did(adapter: Adapter, tmp_path: Path) -> None:
    small = recipe(tmp_path, "grpo")
    base = base_model(small, load_problems(small.data, 0))
    model = get_peft_model(load_model(small, base), lora_config(adapter))
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:  # an untrained adapter changes nothing
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=chance))
    model.save_pretrained(str(tmp_path / "final"))
    merge(small, tmp_path / "final", tmp_path / "merged", None, QUIET)
    ids = torch.randint(6, 16, (2, 7), generator=chance)
    with torch.no_grad():
        expected = load_model(small, base, tmp_path / "final").eval()(ids).logits
        plain = load_model(small, base).eval()(ids).logits
        merged = load_model(small, str(tmp_path / "merged")).eval()(ids).logits
    assert torch.allclose(merged, expected, atol=1e-4)
    assert not torch.allclose(merged, plain, atol=1e-2)


def test_nothing_is_overwritten_and_a_folder_without_an_adapter_is_named(tmp_path: Path) -> None:
    small = recipe(tmp_path, "grpo")
    with pytest.raises(DataError, match="is not an adapter's folder"):
        merge(small, tmp_path / "final", tmp_path / "merged", None, QUIET)
    (tmp_path / "final").mkdir()
    (tmp_path / "final" / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match="is not empty"):
        merge(small, tmp_path / "final", tmp_path / "final", None, QUIET)


class Hub(BaseHTTPRequestHandler):
    """A hub that answers a push of small files, and records the requested paths."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        here = f"http://{self.headers['Host']}/org/name"
        self.asked.append(self.path)
        if self.headers["Authorization"] == "Bearer hf_reader":
            self._answer({"error": "your token cannot write"}, 403)
        elif self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self._answer({"files": files})
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            self.asked.extend(line["value"]["path"] for line in lines if line["key"] == "file")
            self._answer({"commitOid": "0" * 40, "commitUrl": f"{here}/commit/{'0' * 40}", "success": True})
        else:
            self._answer({"url": here, "id": "org/name"})

    def do_GET(self) -> None:
        self._answer({"id": "org/name", "siblings": [], "sha": "0" * 40})

    def _answer(self, value: object, status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A hub on a port of this machine, in place of the real one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setenv("NO_PROXY", "*")
        Hub.asked.clear()
        yield url
        server.shutdown()


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "final"
    folder.mkdir()
    for name in ("model.safetensors", "config.json", "training_args.bin"):
        (folder / name).write_text("{}")
    return folder


def test_a_model_is_pushed_without_what_only_the_trainer_needs(
    hub: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    push(trained, "org/name", False, QUIET)
    assert "/api/repos/create" in Hub.asked
    assert {"model.safetensors", "config.json"} <= set(Hub.asked)
    assert "training_args.bin" not in Hub.asked
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(DataError, match=rf"{hub} refuses org/name: .*403"):
        push(trained, "org/name", False, QUIET)


def test_what_a_push_lacks_is_said_before_anything_is_sent(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(DataError, match="no hub token to push org/name with: set HF_TOKEN"):
        push(trained, "org/name", False, QUIET)
    with pytest.raises(DataError, match="'a/b/c' is not a hub id such as ORG/NAME"):
        push(trained, "a/b/c", False, QUIET)
    with pytest.raises(DataError, match="has no weights to push"):
        push(tmp_path, "org/name", False, QUIET)
    (trained / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path)}))
    with pytest.raises(DataError, match=r"a folder on this machine only: push the whole model with `merge --push-to"):
        push(trained, "org/name", False, QUIET)
    with pytest.raises(DataError, match="no hub token"):
        merge(recipe(tmp_path, "grpo"), trained, tmp_path / "merged", "org/name", QUIET)
