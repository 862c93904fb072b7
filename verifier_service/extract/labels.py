"""Read the label of a fenced block: `python`, `Python3.12`, `solution.py`, `cpp17`, `text`."""

import re
from pathlib import PurePosixPath

from verifier_service.languages import Language

_VERSION = re.compile(r"[-_ ]?v?\d[\d.]*$")  # the version at the end of python3.12, cpp-17
# The prefix of "language-python", as HTML classes have it.
_PREFIX = re.compile(r"^(?:language|lang)-")

_OTHERS = """
abap ada apl asm assembly awk bash basic bat batch c c# c++ cfg clojure cmake cmd cobol coffeescript console cpp cs
csharp css csv cuda cxx d dart diff dockerfile elixir elm erlang fish fortran fsharp go golang gradle graphql groovy
h haskell hpp hs html http ini input java javascript js json json5 jsonl jsx julia kotlin kt latex less lisp log lua
makefile markdown math matlab md mermaid mysql nim node none objc objective-c ocaml octave output pascal perl php
plain plaintext postgresql powershell prolog properties protobuf ps1 pseudo pseudocode py pycon pytb python python3
r racket rb regex rest result rs rst ruby rust sas scala scheme scss sh shell smalltalk solidity sql stdin stdout
svelte svg swift tcl terminal tex text toml traceback tree ts tsx txt typescript vb verilog vhdl vim vue wasm xml
yaml yml zig zsh
"""
OTHERS = frozenset(_OTHERS.split())
"""Labels known to mean something else, unless they are names of the language."""


def is_of(label: str, language: Language) -> bool:
    """Return whether a label announces a program in the language."""
    suffix = PurePosixPath(label).suffix
    return is_name(label, language) or (suffix != "" and suffix == PurePosixPath(language.source_file).suffix)


def is_name(label: str, language: Language) -> bool:
    """Return whether a label is a name of the language, perhaps with a version."""
    plain = _PREFIX.sub("", label)
    return plain in language.labels or _VERSION.sub("", plain) in language.labels


def is_unknown(label: str, language: Language) -> bool:
    """Return whether a label says nothing about the language, as `answer` or `solution`."""
    plain = _PREFIX.sub("", label)
    return plain not in OTHERS and _VERSION.sub("", plain) not in OTHERS and not PurePosixPath(plain).suffix
