"""The service on Ray Serve, across machines: `serve run verifier_service.ray_app:app`, or deploy/ray/serve.yaml.

There are three deployments. `Front` is the same HTTP app as on one machine: keys, admission, deadlines, durable
submissions, 503 with Retry-After. `Code` judges programs, with one replica per node that uses all its cores. `Math`
compares answers. The front sends parts of a batch to both through Ray handles, and results stream back.

This module fixes what must be the same everywhere; the number of replicas belongs in the YAML. See docs/how-to/ray.md.
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
    "Ray Serve's proxies may be reachable from other machines, so the front of a cluster needs a key: set "
    "VERIFIER_KEYS_FILE or VERIFIER_API_KEY; or VERIFIER_PUBLISHED_ON=127.0.0.1 if only this machine reaches the "
    "proxies; or VERIFIER_INSECURE=1"
)


class HandleNodes:
    """The replicas of a deployment, called through its Ray handle. See `cluster.remote.Nodes`."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._hello = handle.options(method_name="hello")
        self._judge = handle.options(method_name="judge", stream=True)

    async def hello(self) -> Hello:
        """Return what any one replica says about itself; waits until there is a replica."""
        with _as_ours():
            return await self._hello.remote()

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """Have a replica judge a part of a batch; yields its results as they come."""
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
        """Put bytes into Ray's object store, so that each node fetches them only once."""
        return await asyncio.to_thread(ray.put, body)


@contextmanager
def _as_ours() -> Iterator[None]:
    """Translate Ray's exceptions into ours."""
    try:
        yield
    except (BackPressureError, DeploymentUnavailableError) as error:
        raise RunnerUnavailable(f"no node accepts work: {error.message}") from error
    except RayTaskError as error:
        if isinstance(error.cause, (RayError, RayServeException)):  # raised on the replica, about another actor
            raise NodeLost(_first_line(error.cause)) from error
        raise JudgeError(f"the node failed ({type(error.cause).__name__}); its log has the details") from error
    except (RayError, RayServeException) as error:
        raise NodeLost(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


async def _fetch(reference: object) -> bytes:
    return await cast(Awaitable[bytes], reference)


def _node_name() -> str:
    return f"node {socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:12]})"


def _cores() -> int:
    """Return how many cores Ray counts on this node; in a container these can be fewer than the machine has."""
    here = ray.get_runtime_context().get_node_id()
    found = next((node for node in ray.nodes() if node["NodeID"] == here), {})
    return max(int(found.get("Resources", {}).get("CPU", 1)), 1)


class _Replica:
    """A replica of `Code` or `Math`, with the methods that Ray Serve and the front call."""

    _node: Node

    async def hello(self) -> Hello:
        """Return what this node is and can judge."""
        return self._node.hello()

    async def judge(self, part: Part) -> AsyncGenerator[Told, None]:
        """Judge a part of a batch; yields results as they come."""
        async with aclosing(self._node.judge(part)) as answer:
            async for told in answer:
                yield told

    async def check_health(self) -> None:
        """Raise if this node cannot judge. Ray Serve replaces a replica after three failures in a row."""
        if trouble := await self._node.trouble():
            raise Unfit(trouble)

    async def __del__(self) -> None:
        """End the node's processes. Ray Serve calls this when it stops the replica."""
        await self._node.close()


class CodeNode(_Replica):
    """Judges and runs programs on one node, using all its cores."""

    async def __init__(self, deployed_by: Build) -> None:
        settings = Settings()
        configure(settings)
        if "boxes" not in settings.model_fields_set:
            settings = settings.model_copy(update={"boxes": _cores()})
        self._node = Node(_node_name(), settings, code_judges, _fetch)
        await self._node.start(deployed_by)


class MathNode(_Replica):
    """Compares math answers, with one worker per core that Ray assigned to the replica."""

    async def __init__(self, deployed_by: Build) -> None:
        settings = Settings()
        configure(settings)
        if "math_workers" not in settings.model_fields_set:
            cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
            settings = settings.model_copy(update={"math_workers": max(int(cores), 1)})
        self._node = Node(_node_name(), settings, math_judges, _fetch)
        await self._node.start(deployed_by, Elsewhere(load_languages(), None, None))


class FrontEnd:
    """The HTTP app, with the other deployments as its judges."""

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
    # Each front keeps two parts in flight for every program that can run at once; a lower cap would idle the cores.
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
    # No cap from Ray: the app's own admission decides who waits and who is refused, and sends Retry-After.
    max_ongoing_requests=MANY,
    ray_actor_options={"num_cpus": 1},
    graceful_shutdown_timeout_s=60,
)(serve.ingress()(FrontEnd))


def app(_: dict[str, str]) -> Application:
    """Build the application for Ray Serve."""
    here = Build()
    return Front.bind(Code.bind(here), Math.bind(here), here)
