"""The Docker runner on a machine that lacks resources."""

import subprocess
import sys

import pytest
from docker.errors import DockerException

import docker

FEW_DESCRIPTORS = """
import asyncio, os, resource
from verifier_service.errors import RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.runners.docker import DockerRunner, _owner
from verifier_service.settings import Settings

async def main():
    runner = DockerRunner(Settings(), load_languages())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    python, refused = runner.known_languages["python"], []
    await (await runner.start_box(python)).close()
    opened = max(map(int, os.listdir("/proc/self/fd"))) + 1
    for more in range(10):
        resource.setrlimit(resource.RLIMIT_NOFILE, (opened + more, hard))
        try:
            box = await runner.start_box(python)
        except RunnerUnavailable as error:
            refused.append(str(error))
        else:
            await box.close()
            break
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    labels = {"label": f"grpo-verifier.owner={_owner()}"}
    left = runner._connected().containers.list(all=True, filters=labels, ignore_removed=True)
    assert not left, (refused, left)
    await runner.close()
    assert any("Too many open files" in one for one in refused), refused


asyncio.run(main())
"""


@pytest.mark.docker
def test_a_machine_out_of_descriptors_leaves_no_container_behind() -> None:
    try:
        docker.from_env().images.get("grpo-verifier/python")
    except DockerException as reason:
        pytest.skip(f"needs a Docker daemon and the image for Python: {reason}")
    command = [sys.executable, "-c", FEW_DESCRIPTORS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
