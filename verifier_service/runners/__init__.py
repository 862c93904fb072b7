"""The ways to run untrusted programs. To add one: a module with a `Runner`, and a line in `RUNNERS`."""

from collections.abc import Callable, Mapping

from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import Language
from verifier_service.runners.base import Runner
from verifier_service.runners.bubblewrap import BubblewrapRunner
from verifier_service.runners.docker import DockerRunner
from verifier_service.runners.docker_hosts import DockerHosts
from verifier_service.settings import RunnerChoice, Settings


def _docker(settings: Settings, languages: Mapping[str, Language]) -> Runner:
    return DockerHosts(settings, languages) if settings.docker_hosts else DockerRunner(settings, languages)


RUNNERS: dict[str, Callable[[Settings, Mapping[str, Language]], Runner]] = {
    "docker": _docker,
    "bubblewrap": BubblewrapRunner,
}
"""The runners by their name in `VERIFIER_RUNNER`. `auto` chooses the first one that works, so the order matters."""


async def choose_runner(settings: Settings, languages: Mapping[str, Language]) -> tuple[Runner, str]:
    """Return the runner that the settings ask for, or the first that works here, and the reason for the choice.

    Raises:
        RunnerUnavailable: none works here; the message says for each one why, and what to do.
    """
    automatic = settings.runner is RunnerChoice.AUTO
    names = list(RUNNERS) if automatic else [settings.runner.value]
    problems: list[str] = []
    for name in names:
        runner = RUNNERS[name](settings, languages)
        problem = await runner.available()
        if problem is None:
            why = "; ".join(problems) if problems else ("it works here" if automatic else "the settings ask for it")
            return runner, f"{name}: {why}"
        await runner.close()
        problems.append(f"{name} is unavailable: {problem}")
    raise RunnerUnavailable("; ".join(problems))
