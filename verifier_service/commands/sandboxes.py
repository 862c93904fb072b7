"""`sandboxes`: prepare the sandboxes on this machine, from the repository or an installed package."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from verifier_service.commands.refusals import err, failed, read_settings
from verifier_service.languages import SANDBOXES, load_languages
from verifier_service.runners.bubblewrap import INSTALL_LIBRARIES, LIBRARIES, libraries_are_there
from verifier_service.settings import RunnerChoice, Settings

BUILD = SANDBOXES / "build"


def _complete(begun: str) -> list[str]:
    return [name for name in load_languages() if name.startswith(begun)]


LANGUAGES = Annotated[
    list[str] | None,
    typer.Argument(help="languages to build images for; default: python", autocompletion=_complete),
]


def make(languages: LANGUAGES = None) -> None:
    """Build sandbox images for Docker, or for bubblewrap install the libraries that Python programs may import.

    VERIFIER_RUNNER decides between the two; the default is Docker if its daemon answers. BASE_IMAGE is the base of the
    images (default: python:3.12-slim). This takes minutes and downloads from PyPI and, for images, from Debian.
    """
    settings = read_settings()
    wanted = languages or ["python"]
    known = load_languages()
    for name in wanted:
        if name not in known:
            raise failed(f"LANGUAGES {name!r}: it must be one of {', '.join(known)}", 2)
    if settings.runner is RunnerChoice.BUBBLEWRAP or (settings.runner is RunnerChoice.AUTO and not _docker_answers()):
        _install_libraries(wanted)
    else:
        _build_images(settings, wanted)


def _docker_answers() -> bool:
    return shutil.which("docker") is not None and _run(["docker", "version"], {}, quiet=True) == 0


def _build_images(settings: Settings, languages: list[str]) -> None:
    if shutil.which("docker") is None:
        raise failed("there is no docker command here: install Docker, or set VERIFIER_RUNNER=bubblewrap")
    if _run(["sh", str(BUILD), *languages], {"IMAGE_PREFIX": settings.image_prefix}):
        raise failed("the images could not be built; the reason is above")


def _install_libraries(languages: list[str]) -> None:
    for name in languages:
        if name != "python":
            err.print(f"{name}: bubblewrap uses this machine's compiler; see {SANDBOXES / name / 'Dockerfile'}")
    if libraries_are_there():
        err.print(f"the libraries that programs may import are in {LIBRARIES}", highlight=False)
        return
    err.print(f"Installing the libraries that programs may import into {LIBRARIES} (300 MB) ...", highlight=False)
    LIBRARIES.parent.mkdir(parents=True, exist_ok=True)
    if _run(["sh", str(INSTALL_LIBRARIES), str(LIBRARIES), sys.executable], {}):
        raise failed("the libraries could not be installed; the reason is above. Run the same command to try again")
    err.print("done", highlight=False)


def _run(command: list[str], more: Mapping[str, str], *, quiet: bool = False) -> int:
    silence = subprocess.DEVNULL if quiet else None
    set_first = [f"{name}={value}" for name, value in more.items()]
    return subprocess.run(["env", *set_first, *command], stdout=silence, stderr=silence, check=False).returncode
