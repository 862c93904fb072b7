"""docker-bake.json builds the same images as `sandboxes/build` and compose, from the same files and arguments."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from verifier_service import __version__

ROOT = Path(__file__).parent.parent.parent
BAKE: dict[str, Any] = json.loads((ROOT / "docker-bake.json").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DEFAULTS = {name: one["default"] for name, one in BAKE["variable"].items()}
OCI = {"title", "description", "version", "revision", "licenses", "vendor"}


def _filled(text: str, more: dict[str, str]) -> str:
    """Insert variables, as bake does."""
    return re.sub(r"\$\{(\w+)\}", lambda found: (DEFAULTS | more)[found[1]], text)


def _targets() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield every target by name, with the values of its matrix inserted."""
    for name, target in BAKE["target"].items():
        if "matrix" not in target:
            yield name, target, {}
            continue
        ((variable, values),) = target["matrix"].items()
        for value in values:
            yield _filled(target["name"], {variable: value}), target, {variable: value}


TARGETS = {name: (target, more) for name, target, more in _targets()}


def _args(name: str) -> dict[str, str]:
    target, more = TARGETS[name]
    return {key: _filled(value, more) for key, value in target["args"].items()}


def _dockerfile(name: str) -> Path:
    target, more = TARGETS[name]
    return ROOT / target["context"] / _filled(target["dockerfile"], more)


def test_every_language_that_has_a_dockerfile_is_made() -> None:
    languages = {path.parent.name for path in (ROOT / "sandboxes").glob("*/Dockerfile")} - {"base"}
    made = {_filled(target["tags"][0], more) for target, more in TARGETS.values() if "tags" in target}
    assert {f"grpo-verifier/{one}:latest" for one in languages} <= made
    assert {name.removesuffix("-tools") for name in TARGETS if name.endswith("-tools")} == languages - {"python"}


def test_every_file_and_argument_that_is_named_is_there() -> None:
    for name, (target, _) in TARGETS.items():
        if "dockerfile" in target:
            known = re.findall(r"^ARG (\w+)", _dockerfile(name).read_text(encoding="utf-8"), re.MULTILINE)
            assert set(target["args"]) <= set(known), name
        for other in target.get("inherits", []):
            assert other in TARGETS


def test_a_language_is_made_in_the_steps_of_the_script() -> None:
    """The base, the tools on it, and the harness on the tools: each argument names an image that a context replaces."""
    script = (ROOT / "sandboxes" / "build").read_text(encoding="utf-8")
    assert 'image "$prefix/base" base/Dockerfile "BASE_IMAGE=$base_image"' in script
    assert 'image "$tools" "$language/Dockerfile" "BASE_IMAGE=$prefix/base"' in script
    assert 'image "$prefix/$language" python/Dockerfile "BASE_IMAGE=$base_image" "TOOLS_IMAGE=$tools"' in script
    tools, _ = TARGETS["cpp-tools"]
    assert tools["contexts"] == {_args("cpp-tools")["BASE_IMAGE"]: "target:base"}
    made, more = TARGETS["cpp"]
    contexts = {name: _filled(value, more) for name, value in made["contexts"].items()}
    assert contexts == {_args("cpp")["TOOLS_IMAGE"]: "target:cpp-tools"}
    assert _dockerfile("cpp") == _dockerfile("python")


def test_images_of_compose_have_the_same_names_files_and_arguments() -> None:
    for service, name in {
        "sandbox-python": "python",
        "verifier": "service",
        "docker-filter": "docker-filter",
        "trainer-demo": "trainer-cpu",
        "trainer-gpu": "trainer-gpu",
    }.items():
        one = COMPOSE["services"][service]
        context = ROOT / one["build"]["context"]
        assert _dockerfile(name) == context / one["build"].get("dockerfile", "Dockerfile"), name
        composed = {key: _default_of(str(value)) for key, value in one["build"]["args"].items()}
        assert composed.items() <= _args(name).items(), name
        assert _filled(TARGETS[name][0]["tags"][0], {}) == _default_of(one["image"]), name


def _default_of(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def test_every_image_says_what_it_is_and_what_is_in_it() -> None:
    assert DEFAULTS["VERSION"] == __version__
    shared = BAKE["target"]["described"]
    assert "type=sbom" in shared["attest"]
    for name, (target, _) in TARGETS.items():
        if "tags" in target:
            assert target["inherits"] == ["described"], name
            labels = {label.rpartition(".")[2] for label in (*shared["labels"], *target["labels"])}
            assert labels >= OCI, name


def test_what_cites_and_what_is_installed_have_one_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["license"]) == (__version__, "Apache-2.0")
