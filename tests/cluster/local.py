"""A Ray cluster of several raylets on this machine, with the verifier deployed on it by deploy/ray/serve.yaml."""

import logging
import os
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any, cast

import ray
import yaml
from ray import serve
from ray.actor import ActorHandle
from ray.cluster_utils import Cluster
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from tests.cluster.waiting import until
from tests.conftest import free_port

TOP = Path(__file__).parents[2]
YAML = TOP / "deploy" / "ray" / "serve.yaml"
APP = "verifier"
NODE: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 100 * 1024 * 1024, "include_dashboard": False}
ENV = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",  # workers that nothing asks for
    "RAY_enable_worker_prestart": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_memory_monitor_refresh_ms": "0",  # the machine is not the cluster's alone
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}


def status() -> str:
    """Return Ray Serve's status of every deployment."""
    lines = [
        f"{name}: {one.status.value} {dict(one.replica_states)} {one.message}"
        for name, one in serve.status().applications[APP].deployments.items()
    ]
    return "\n".join(lines)


class LocalCluster:
    """A head with the front and math, and nodes that judge code."""

    def __init__(self, folder: Path, nodes: int, settings: Mapping[str, str]) -> None:
        """Prepare a cluster; `settings` are the environment variables of every process."""
        path = os.pathsep.join([str(TOP), *filter(None, [os.environ.get("PYTHONPATH")])])
        own = {"VERIFIER_STATE_DIR": str(folder / "state"), "VERIFIER_MATH_WORKERS": "1", "VERIFIER_LOG_FORMAT": "json"}
        self._env = {**ENV, **own, **settings, "PYTHONPATH": path}
        self._before = {name: os.environ.get(name) for name in self._env}
        os.environ.update(self._env)
        head = {**NODE, "num_cpus": 4, "resources": {"front": 1}}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.add_node() for _ in range(nodes)]
        with chdir(folder):  # workers would import from the folder of their driver before all else
            ray.init(address=self.cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        self.port = free_port()  # after Ray's own processes have taken theirs
        self.url = f"http://127.0.0.1:{self.port}"

    def add_node(self, **env: str) -> Any:
        """Start a node for a replica of `Code`, with its own environment variables."""
        return self.cluster.add_node(wait=True, resources={"judge": 1}, env_vars=env, **NODE)

    def deploy(self, code: Mapping[str, Any], wait: bool = True, fronts: int = 1) -> None:
        """Deploy, or deploy again, with options of the deployment `Code` that differ from the YAML."""
        config = yaml.safe_load(YAML.read_text())
        config["http_options"]["port"] = self.port
        config["proxy_location"] = "HeadOnly"
        by_name = {one["name"]: one for one in config["applications"][0]["deployments"]}
        if "num_replicas" in code:
            del by_name["Code"]["autoscaling_config"]
        by_name["Code"] |= code
        by_name["Code"]["ray_actor_options"] = {"num_cpus": 1, "resources": {"judge": 0.001}}
        by_name["Math"]["autoscaling_config"]["max_replicas"] = 1
        by_name["Front"]["num_replicas"] = fronts  # at the head: a front that is lost loses its requests
        by_name["Front"]["ray_actor_options"] = {"num_cpus": 1, "resources": {"front": 0.001}}
        schema = ServeDeploySchema.model_validate(config)
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": self.port})
        client = _get_global_client()
        assert client is not None
        client.deploy_apps(schema)
        if wait:
            until(self.is_running, "deployed", status)

    def is_running(self) -> bool:
        """Return whether every deployment is healthy."""
        app = serve.status().applications.get(APP)
        return app is not None and app.status.value == "RUNNING"

    def count(self, deployment: str = "Code") -> int:
        """Return how many replicas of a deployment run."""
        states = serve.status().applications[APP].deployments[deployment].replica_states
        return {str(getattr(state, "value", state)): count for state, count in states.items()}.get("RUNNING", 0)

    def replicas(self, deployment: str = "Code") -> list[ActorHandle]:
        """Return the living actors of a deployment."""
        named = cast(list[dict[str, str]], ray.util.list_named_actors(all_namespaces=True))
        names = [one["name"] for one in named]
        return [ray.get_actor(name, namespace="serve") for name in names if f"#{deployment}#" in name]

    def kill_replica(self, deployment: str = "Code") -> None:
        """Kill the process of a replica."""
        ray.kill(self.replicas(deployment)[0], no_restart=True)

    def kill_node(self) -> None:
        """Kill a raylet with all its processes."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def messages(self) -> str:
        """Return Ray Serve's message about `Code`."""
        return serve.status().applications[APP].deployments["Code"].message

    def close(self) -> None:
        """Stop the whole cluster."""
        serve.shutdown()
        ray.shutdown()
        self.cluster.shutdown()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
