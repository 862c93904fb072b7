"""The installed TRL has all names that this project relies on, and a stale name is reported clearly."""

from trainer.config import TRL_FIELDS
from trainer.trl import names as trl_names


def test_every_name_of_trl_that_is_used_exists() -> None:
    assert trl_names.missing_names(TRL_FIELDS) == []


def test_a_stale_field_is_said_with_the_place_to_change() -> None:
    (problem,) = trl_names.missing_names(["renamed_generations"])
    assert problem.startswith("trl.GRPOConfig has no field 'renamed_generations' (a field of recipes; TRL ")
