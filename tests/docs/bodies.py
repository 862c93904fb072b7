"""Blocks that are not run: each is given to the code that really reads such a text."""

import ast
import configparser
import importlib
import json
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

import verifier_service.schema
from tests.docs import answers, commands
from tests.docs.blocks import ROOT, Block, Mode
from trainer.config import find_recipe, parse_recipe
from trainer.errors import RecipeError

OWN = ("verifier_service", "trainer", "sandboxes", "benchmarks", "tests")
CHART = ROOT / "deploy" / "helm" / "grpo-verifier"
KUBERNETES = "1.33"


def complaints(block: Block) -> list[str]:
    """Return the problems of a block by itself, before anything is run.

    Python imports are looked up, except in a block that is saved as a file, because it can need files of other blocks.
    """
    reader = READERS.get(block.language)
    if reader is None:
        wanted = ", ".join([*READERS, "text"])
        return [f"{block.language or 'no language'}: a block is one of {wanted}"]
    wrong = reader(block.body)
    return wrong or (_imports(block.body) if block.language == "python" and block.mode is not Mode.FILE else [])


def _python(body: str) -> list[str]:
    try:
        ast.parse(body)
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    return commands.unknown_settings(body)


def _imports(body: str) -> list[str]:
    tree = ast.parse(body)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OWN:
            found += [one for alias in node.names for one in _import(str(node.module), alias.name)]
        elif isinstance(node, ast.Import):
            found += [one for alias in node.names if alias.name.partition(".")[0] in OWN for one in _import(alias.name)]
    return found


def _import(module: str, name: str | None = None) -> list[str]:
    try:
        there = importlib.import_module(module)
        if name is not None and not hasattr(there, name):
            importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError as error:
        return [f"import {module} {name or ''}: {error}"]
    return []


def _json(body: str) -> list[str]:
    try:
        return [] if answers.texts(body) else ["there is nothing in it"]
    except answers.NotJson as error:
        return [str(error)]


def _yaml(body: str) -> list[str]:
    try:
        list(yaml.safe_load_all(body))
    except yaml.YAMLError as error:
        return [str(error)]
    return commands.unknown_settings(body)


def _toml(body: str) -> list[str]:
    try:
        tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        return [str(error)]
    return commands.unknown_settings(body)


def _ini(body: str) -> list[str]:
    try:
        configparser.ConfigParser(interpolation=None).read_string(body)
    except configparser.Error as error:
        return [str(error)]
    return commands.unknown_settings(body)


def _text(body: str) -> list[str]:
    return commands.unknown_settings(body)


READERS: dict[str, Callable[[str], list[str]]] = {
    "bash": commands.complaints,
    "python": _python,
    "json": _json,
    "yaml": _yaml,
    "toml": _toml,
    "ini": _ini,
    "dockerfile": _text,
    "cpp": _text,
    "javascript": _text,
}
"""What checks each language; the last ones only name settings, and so have to be run by a block that follows."""


def complaints_of_type(block: Block) -> list[str]:
    """Return the problems of a block of the type in its comment: a wire type, or a tool's file."""
    tool = TOOLS.get(block.argument)
    if tool is not None:
        return tool(block.body)
    for info in pkgutil.iter_modules(verifier_service.schema.__path__):
        there = getattr(importlib.import_module(f"verifier_service.schema.{info.name}"), block.argument, None)
        if there is not None:
            return [one for value in answers.texts(block.body) for one in _of_wire(TypeAdapter(there), value)]
    return [f"{block.argument} is not a type of verifier_service.schema, and not one of {', '.join(TOOLS)}"]


def _of_wire(adapter: TypeAdapter[Any], shown: answers.Json) -> list[str]:
    try:
        read = adapter.validate_json(json.dumps(_without_cuts(shown)))
    except ValidationError as error:
        return [str(error)]
    found = answers.difference(_cut(shown), adapter.dump_python(read, mode="json"))
    return [found] if found else []


def _without_cuts(value: answers.Json) -> answers.Json:
    if isinstance(value, dict):
        return {key: _without_cuts(one) for key, one in value.items() if key != answers.CUT}
    return [_without_cuts(one) for one in value if one != answers.CUT] if isinstance(value, list) else value


def _cut(value: answers.Json) -> answers.Json:
    """Allow a request to omit fields with defaults."""
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()} | {answers.CUT: answers.CUT}
    return [_cut(one) for one in value] if isinstance(value, list) else value


def recipe(body: str) -> list[str]:
    """Return the problems of a recipe or a part of one. A part is inserted into the packaged recipe `demo`."""
    part = yaml.safe_load(body)
    if not isinstance(part, dict):
        return ["a recipe is a mapping of fields"]
    whole = yaml.safe_load(find_recipe("demo").read_text(encoding="utf-8"))
    try:
        parse_recipe(part if {"model", "data"} <= part.keys() else _merged(whole, part))
    except RecipeError as error:
        return [str(error)]
    return []


def _merged(whole: Any, part: Any) -> Any:
    if not isinstance(whole, dict) or not isinstance(part, dict) or part.get("kind") not in (None, whole.get("kind")):
        return part
    return whole | {key: _merged(whole.get(key), value) for key, value in part.items()}


def _tool(name: str, *words: str) -> Callable[[str], list[str]]:
    def check(body: str) -> list[str]:
        program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
        if program is None:
            return []  # a machine without this program cannot check more
        ran = subprocess.run([program, *words], input=body, capture_output=True, text=True, timeout=120, check=False)
        return [] if ran.returncode == 0 else [ran.stdout + ran.stderr]

    return check


def _accelerate(body: str) -> list[str]:
    from accelerate.commands.config.config_args import ClusterConfig

    try:
        ClusterConfig(**yaml.safe_load(body))
    except TypeError as error:
        return [str(error)]
    return []


def _docker_daemon(body: str) -> list[str]:
    found = json.loads(body)
    unknown = [key for name in found["runtimes"] for key in found["runtimes"][name].keys() - {"path", "runtimeArgs"}]
    return [f"{key} is not a field of a runtime" for key in unknown]


TOOLS: dict[str, Callable[[str], list[str]]] = {
    "recipe": recipe,
    "helm values": _tool("helm", "template", "verifier", str(CHART), "--values", "-"),
    "compose": _tool("docker-compose", "-f", "-", "config", "-q"),
    "kubernetes": _tool("kubernetes-validate", "--strict", "-k", KUBERNETES, "-"),
    "accelerate": _accelerate,
    "docker daemon": _docker_daemon,
}
"""Files of other programs, by the name that a comment gives them."""
