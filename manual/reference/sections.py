"""A page about models: a section for each, with its purpose, its fields, its words and an example."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from manual.reference.markdown import anchor, join, json_block, prose, table
from verifier_service.schema.base import Worded
from verifier_service.schema.described import Titles, describe


@dataclass(frozen=True)
class Section:
    """The section of one model.

    `several` is its name in a list ("list of math submissions"); `words` are the enumerations of its fields. `text` and
    `fields` replace the docstring and the table of fields; `after` ends the section.
    """

    title: str
    model: type[BaseModel]
    one: str
    several: str
    level: int = 2
    example: object = None
    words: Mapping[str, type[Worded]] = field(default_factory=dict)
    without: Sequence[str] = ()
    text: str | None = None
    fields: str | None = None
    after: str = ""

    @property
    def name(self) -> str:
        """The model's name in JSON schemas."""
        return self.model.__name__

    def link(self, words: str) -> str:
        """Return a link to this section, on its own page."""
        return f"[{words}](#{anchor(self.title)})"


def titles_of(
    sections: Sequence[Section],
    patterns: Mapping[str, str],
    together: Mapping[type[BaseModel], tuple[str, str]] | None = None,
    words: Mapping[str, str] | None = None,
) -> Titles:
    """Return the names of models on a page, which are links to their sections.

    `together` has the singular and the plural for models that share a name, such as "[source](#every-source)".
    """
    one = {section.name: section.link(section.one) for section in sections}
    many = {section.name: section.link(section.several) for section in sections}
    for model, (single, several) in (together or {}).items():
        one[model.__name__] = single
        many[model.__name__] = several
    return Titles(one, many, patterns, words or {})


def written(section: Section, titles: Titles, units: Mapping[str, str], fields: Callable[..., str]) -> str:
    """Return the section as Markdown; `fields` writes the table of its fields."""
    described = describe(section.model, titles, units, section.without)
    return join(
        f"{'#' * section.level} {section.title}",
        prose(section.model.__doc__ or "" if section.text is None else section.text),
        fields(described) if section.fields is None else section.fields,
        *(
            table((f"`{name}`", "meaning"), ((f"`{word.value}`", word.meaning) for word in words))
            for name, words in section.words.items()
        ),
        json_block(section.example, section.name) if section.example is not None else "",
        section.after,
    )
