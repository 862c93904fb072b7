"""Attention goes by any name that transformers knows, and flash attention is used where it is installed."""

import pytest
from transformers.utils.import_utils import is_flash_attn_2_available

from trainer.config import load_recipe
from trainer.models import attention_note, attention_used, init_arguments


@pytest.mark.parametrize("named", ["sdpa", "eager", "kernels-community/flash-attn2"])
def test_attention_is_used_as_it_is_named(named: str) -> None:
    assert attention_used(named) == named


def test_flash_attention_that_is_not_installed_becomes_sdpa_and_is_said() -> None:
    """A first run must not fail because of a package that has to be compiled."""
    if is_flash_attn_2_available(kernels_fallback_ok=True):
        pytest.skip("flash attention is installed here")
    recipe = load_recipe("gsm8k-deepseek-coder-6.7b")
    assert init_arguments(recipe)["attn_implementation"] == "sdpa"
    assert "flash_attention_2 is not installed here" in (attention_note(recipe) or "")
