"""The generated pages of the manual are up to date with the code, and complete."""

import re
import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from manual.reference import commands, endpoints, metrics, recipe, wire
from manual.reference.markdown import anchor, json_text, prose, table
from manual.reference.pages import DOCS, PAGES
from manual.reference.sections import Section
from sandboxes.protocol.facts import Signal
from trainer.config import Recipe
from verifier_service.commands import settings as settings_command
from verifier_service.observability.metrics import Metrics
from verifier_service.schema.base import Answered, Asked
from verifier_service.schema.described import SUFFIXES, Titles, describe, unit_of
from verifier_service.schema.results import JudgedResult
from verifier_service.schema.signals import SIGNALS
from verifier_service.settings import Settings

TITLE = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("place", PAGES)
def test_a_page_is_that_of_the_code(place: str) -> None:
    assert (DOCS / place).read_text(encoding="utf-8") == PAGES[place](), "run: make reference"


@pytest.mark.parametrize("place", [place for place in PAGES if place.endswith(".md")])
def test_every_link_of_a_page_leads_somewhere(place: str) -> None:
    page = PAGES[place]()
    for link in LINK.findall(FENCED.sub("", page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, part = link.partition("#")
        target = (DOCS / place).parent / path if path else DOCS / place
        text = page if not path else target.read_text(encoding="utf-8")
        assert not part or part in {anchor(title) for title in TITLE.findall(FENCED.sub("", text))}, link


def _subclasses(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in of.__subclasses__():
        if one.__module__.startswith("verifier_service.schema"):
            yield one
        yield from _subclasses(one)


def _parts(of: object) -> Iterator[type[BaseModel]]:
    """Yield the models that a type refers to, itself first."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        yield of
        for info in of.model_fields.values():
            yield from _parts(info.annotation)
    else:
        for inner in typing.get_args(of):
            yield from _parts(inner)


WIRE = sorted({*_subclasses(Asked), *_subclasses(Answered)}, key=lambda one: one.__name__)
RECIPE = sorted(set(_parts(Recipe)), key=lambda one: one.__name__)
UNITS = dict.fromkeys(WIRE, wire.UNITS) | dict.fromkeys(RECIPE, recipe.UNITS) | {Settings: settings_command.UNITS}


@pytest.mark.parametrize("model", UNITS, ids=lambda one: one.__name__)
def test_every_field_has_a_description(model: type[BaseModel]) -> None:
    def says_its_kind(name: str, annotation: object) -> bool:
        return name == "kind" and len(typing.get_args(annotation)) == 1

    silent = [
        name
        for name, info in model.model_fields.items()
        if not info.description and not says_its_kind(name, info.annotation)
    ]
    assert silent == []


@pytest.mark.parametrize("model", UNITS, ids=lambda one: one.__name__)
def test_every_number_has_a_unit_or_is_a_plain_number(model: type[BaseModel]) -> None:
    """A reader cannot interpret a number whose name has no unit and is missing from the table of units."""
    known = UNITS[model]
    without = [
        name
        for name, info in model.model_fields.items()
        if {int, float} & {info.annotation, *typing.get_args(info.annotation)}
        and not unit_of(name, known, model.__name__)
        and name not in known
        and f"{model.__name__}.{name}" not in known
    ]
    assert without == []


def test_every_model_of_the_wire_has_a_section() -> None:
    shown = {section.model for section in (*wire.REQUESTS, *wire.RESULTS)} | set(wire.CHECKERS)
    assert {one.__name__ for one in set(WIRE) - shown} == set()


def test_every_part_of_a_recipe_has_a_section() -> None:
    shown = {section.model for section in recipe.SECTIONS}
    assert {one.__name__ for one in set(RECIPE) - shown} == set()


def test_every_signal_of_the_sandbox_has_its_meaning() -> None:
    assert set(SIGNALS) == {signal.value for signal in Signal}


def test_every_label_of_a_metric_has_its_values() -> None:
    named = {(series.name, label) for series in Metrics().described for label in series.labels}
    assert named == {
        (name, label) for name, label in named if label in metrics.LABELS.get(name, {}) or label in metrics.LABELS[""]
    }


def test_every_metric_of_the_trainer_is_on_the_page() -> None:
    """The trainer's metrics are strings with a slash in its code. Parts in braces are names on the page."""
    text = "".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "trainer").rglob("*.py"))
    logged = set(re.findall(r'log_metric\(\s*f?"([^"]+)"', text))
    logged |= {f"dynamic_sampling/{name}" for name in re.findall(r'^ {12}"(\w+)": ', _text_of("_report"), re.MULTILINE)}
    patterns = {re.sub(r"\\\{.*?\\\}", "[A-Z]+", re.escape(name)) for name in logged}
    assert [name for name in metrics.TRAINER if not any(re.fullmatch(one, name) for one in patterns)] == []
    assert [one for one in patterns if not any(re.fullmatch(one, name) for name in metrics.TRAINER)] == []


def _text_of(function: str) -> str:
    """Return the text of a method of the trainer's dynamic sampling, whose metrics are the keys of a dictionary."""
    text = (DOCS.parent / "trainer" / "trl" / "dynamic_sampling.py").read_text(encoding="utf-8")
    return text.split(f"def {function}(")[1].split("\ndef ")[0]


def test_every_command_has_an_example_and_every_option_a_meaning() -> None:
    found = [one for program in commands.PROGRAMS for one in commands.commands(program)]
    assert {one.name for one in found} == set(commands.EXAMPLES)
    assert [(one.name, row[0]) for one in found for row in one.parameters() if not row[4]] == []


def test_the_exit_codes_of_the_trainer_are_those_of_its_code() -> None:
    from trainer.train import Exit

    assert (commands.VERIFIER_DOWN, commands.STOPPED) == (Exit.VERIFIER_DOWN, Exit.STOPPED)


def test_every_parameter_and_endpoint_says_what_it_is_for() -> None:
    for operation in endpoints.operations():
        assert operation.what, operation.title
        if not operation.stack:
            assert all(one.get("description") for one in operation.document.get("parameters", [])), operation.title


def test_every_path_of_our_own_is_in_a_group() -> None:
    begins = tuple(begin for group in endpoints.GROUPS.values() for begin in group)
    assert [one.path for one in endpoints.operations() if not one.stack and not one.path.startswith(begins)] == []


def test_every_setting_is_in_one_group() -> None:
    grouped = [field for fields in settings_command.GROUPS.values() for field in fields]
    assert sorted(grouped) == sorted(Settings.model_fields)


@pytest.mark.parametrize(
    "section",
    [one for one in (*wire.REQUESTS, *wire.RESULTS) if one.example is not None],
    ids=lambda one: one.title,
)
def test_an_example_is_valid_and_whole(section: Section) -> None:
    read = section.model.model_validate(section.example)
    if issubclass(section.model, Answered):
        assert read.model_dump(mode="json") == section.example


class Sample(BaseModel):
    """A model with a field of each type that the pages can describe."""

    at_once: int = 3
    share: float | None = None


def test_what_is_said_of_a_field_follows_its_type() -> None:
    titles = Titles({}, {}, {})
    said = {one.name: one for one in describe(JudgedResult, titles_of_verdicts())}
    assert (said["score"].type, said["score"].allowed, said["score"].default) == ("number", "0 to 1", "required")
    assert said["queue_s"].quantity == "number, seconds"
    assert said["signals"].type == "list of strings"
    assert [(one.type, one.default) for one in describe(Sample, titles)] == [("integer", "`3`"), ("number", "–")]
    assert SUFFIXES["_mb"] == unit_of("max_body_mb", {}) == "MiB"
    assert unit_of("min_body_kb_s", {}) == "KiB a second"


def titles_of_verdicts() -> Titles:
    return Titles({"MadeBy": "made by"}, {}, {}, {"Verdict": "a verdict"})


def test_a_table_escapes_bars_and_prose_is_wrapped() -> None:
    assert table(("a",), [("x | y",)]) == "| a |\n|---|\n| x \\| y |\n"
    assert all(len(line) <= 120 for line in prose("word " * 100).splitlines())
    assert json_text({"a": [1, 2]}) == '{"a": [1, 2]}'
    assert anchor("Tests by `stdio`: all") == "tests-by-stdio-all"
