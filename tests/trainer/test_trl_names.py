"""The one place that knows TRL's names is right about the installed TRL, and says so clearly when it is not."""

import pytest

from trainer import trl_names


def test_every_name_of_trl_that_is_used_exists() -> None:
    assert trl_names.missing_names() == []


def test_a_renamed_field_is_said_with_the_line_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trl_names.GRPO_FIELDS, "group_size", "renamed_generations")
    (problem,) = trl_names.missing_names()
    assert problem.startswith(
        "trl.GRPOConfig has no field 'renamed_generations' (trl_names.GRPO_FIELDS, our 'group_size'; TRL "
    )
