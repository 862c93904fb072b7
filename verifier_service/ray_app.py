"""The service on Ray Serve, over many machines: `serve run verifier_service.ray_app:app`, or deploy/ray/serve.yaml.

Three deployments. `Front` is the HTTP app as it is on one machine: keys, admission, deadlines, durable submissions, 503
with Retry-After. `Code` judges programs, one replica on each node with all its cores; `Math` compares answers. The
front reaches both by handles; parts of a batch go there, and outcomes stream back.

Here stands what must hold wherever it runs; how many replicas there are is for the YAML to say. docs/how-to/ray.md.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, cast

import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from verifier_service.access import keys
from verifier_service.app import create_app
from verifier_service.cluster.front import running_front
from verifier_service.cluster.node import Node, Unfit, require_same
from verifier_service.cluster.remote import Elsewhere
from verifier_service.cluster.wire import Build, Hello, Part, Told
from verifier_service.errors import JudgeError, NodeLost, RunnerUnavailable
from verifier_service.languages import load_languages
from verifier_service.observability.logs import configure
from verifier_service.service import code_judges, math_judges
from verifier_service.settings import Settings

NEEDS_A_KEY = (
    "the front of a cluster is served where Ray Serve's proxies listen, so it needs a key: set VERIFIER_KEYS_FILE or "
    "VERIFIER_API_KEY; or VERIFIER_PUBLISHED_ON=127.0.0.1 if only this machine reaches them; or VERIFIER_INSECURE=1"
)


class HandleNodes:
    """The replicas of a deployment, reached by its handle. See `cluster.remote.Nodes`."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._hello = handle.options(method_name="hello")
        self._judge = handle.options(method_name="judge", stream=True)

    async def hello(self) -> Hello:
        """Ask any replica what it is; waits until there is one."""
        with _as_ours():
            return await self._hello.remote()

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """Have a part judged by a replica."""
        with _as_ours():
            told = cast(DeploymentResponseGenerator[Told], self._judge.remote(part))
            is_over = False
            try:
                async for one in told:
                    yield one
                is_over = True
            finally:
                if not is_over:
                    told.cancel()

    async def put(self, body: bytes) -> object:
        """Put bytes into the object store, from which each node takes them once."""
        return await asyncio.to_thread(ray.put, body)


@contextmanager
def _as_ours() -> Iterator[None]:
    """Have what Ray raises become what it says of the node."""
    try:
        yield
    except (BackPressureError, DeploymentUnavailableError) as error:
        raise RunnerUnavailable(f"no node takes it: {error.message}") from error
    except RayTaskError as error:
        if isinstance(error.cause, (RayError, RayServeException)):  # it reports what befell something else
            raise NodeLost(_first_line(error.cause)) from error
        raise JudgeError(f"the node broke ({type(error.cause).__name__}); its log has the details") from error
    except (RayError, RayServeException) as error:
        raise NodeLost(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


async def _fetch(reference: object) -> bytes:
    return await cast(Awaitable[bytes], reference)


def _node_name() -> str:
    return f"node {socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:12]})"


def _cores() -> int:
    """Return how many cores Ray counts on this node: in a container it may have fewer than the machine."""
    here = ray.get_runtime_context().get_node_id()
    found = next((node for node in ray.nodes() if node["NodeID"] == here), {})
    return max(int(found.get("Resources", {}).get("CPU", 1)), 1)


class _Replica:
    """What judges on one node, as Ray Serve calls it."""

    _node: Node

    async def hello(self) -> Hello:
        """Say what this node is."""
        return self._node.hello()

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """Judge a part."""
        async with aclosing(self._node.judge(part)) as answer:
            async for told in answer:
                yield told

    async def check_health(self) -> None:
        """Called by Ray Serve, which ends a replica for which this fails three times."""
        if trouble := await self._node.trouble():
            raise Unfit(trouble)

    async def __del__(self) -> None:
        """Called by Ray Serve when the replica is to end."""
        await self._node.close()


class CodeNode(_Replica):
    """Judges and runs programs on one node, with all its cores."""

    async def __init__(self, deployed_by: Build) -> None:
        settings = Settings()
        configure(settings)
        if "boxes" not in settings.model_fields_set:
            settings = settings.model_copy(update={"boxes": _cores()})
        self._node = Node(_node_name(), settings, code_judges, _fetch)
        await self._node.start(deployed_by)


class MathNode(_Replica):
    """Compares answers of math, in as many workers as it has cores to itself."""

    async def __init__(self, deployed_by: Build) -> None:
        settings = Settings()
        configure(settings)
        if "math_workers" not in settings.model_fields_set:
            cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
            settings = settings.model_copy(update={"math_workers": max(int(cores), 1)})
        self._node = Node(_node_name(), settings, math_judges, _fetch)
        await self._node.start(deployed_by, Elsewhere(load_languages(), None, None))


class FrontEnd:
    """The HTTP app, whose judges are the other deployments."""

    def __init__(self, code: DeploymentHandle[Any], math: DeploymentHandle[Any], deployed_by: Build) -> None:
        self._settings = settings = Settings()
        configure(settings)
        require_same(_node_name(), deployed_by)
        if not keys.are_wanted(settings) and settings.published_on is None and not settings.insecure:
            raise Unfit(NEEDS_A_KEY)
        self._running = partial(running_front, code=HandleNodes(code), math=HandleNodes(math))

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._settings, self._running)


MANY = 100_000

Code = serve.deployment(
    name="Code",
    max_replicas_per_node=1,
    # The front has two parts in hand for each program that runs at once; with several fronts, each of them.
    max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 1},
    health_check_period_s=2,
    health_check_timeout_s=30,
    graceful_shutdown_wait_loop_s=0.2,
    graceful_shutdown_timeout_s=20,
)(CodeNode)
Math = serve.deployment(
    name="Math",
    max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 1},
    health_check_period_s=2,
    health_check_timeout_s=30,
    graceful_shutdown_wait_loop_s=0.2,
    graceful_shutdown_timeout_s=20,
)(MathNode)
Front = serve.deployment(
    name="Front",
    # Who waits and who is refused is decided by the app's own admission, which says when to come again.
    max_ongoing_requests=MANY,
    ray_actor_options={"num_cpus": 1},
    graceful_shutdown_timeout_s=60,
)(serve.ingress()(FrontEnd))


def app(_: dict[str, str]) -> Application:
    """Return what Ray Serve deploys."""
    here = Build()
    return Front.bind(Code.bind(here), Math.bind(here), here)
