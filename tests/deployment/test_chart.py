"""The Helm chart: real helm renders it, and every object is held against Kubernetes' own schemas."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from engine import ROOT

CHART = ROOT / "docker" / "chart"
VERSIONS = ("1.27", "1.30", "1.33", "1.37")
EVERYTHING = {
    "encoders": {"existingClaim": "encoders"},
    "autoscaling": {"enabled": True},
    "monitoring": {"enabled": True, "labels": {"release": "prometheus"}},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls", "annotations": {"a/b": "cookie"}},
    "storage": {"storageClassName": "fast", "size": "1Ti"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "imagePullSecrets": [{"name": "mine"}],
    "resources": {"limits": {"nvidia.com/gpu": 1}},
    "indexJobs": [
        {
            "name": "gate",
            "schedule": "*/15 * * * *",
            "arguments": ["folder:/images?camera=gate"],
            "existingClaim": "gate",
        },
        {"name": "once", "arguments": ["/images", "--skip-bad"]},
    ],
}
CUSTOM = {"ServiceMonitor"}  # of the Prometheus operator, not of Kubernetes


def helm(tools: Path, *arguments: object, status: int = 0) -> str:
    """What helm prints."""
    done = subprocess.run([tools / "bin/helm", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def rendered(tools: Path, folder: Path, values: dict) -> list[dict]:
    """All objects of the chart with these values."""
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    text = helm(
        tools, "template", "mine", CHART, "--values", folder / "values.yaml", "--kube-version", "1.33.0"
    )
    return [one for one in yaml.safe_load_all(text) if one]


def pods(objects: list[dict]) -> dict[str, dict]:
    """The pod specifications, by name of their owner."""
    found = {}
    for one in objects:
        spec = one["spec"]
        spec = spec["jobTemplate"]["spec"] if one["kind"] == "CronJob" else spec
        if "template" in spec:
            found[one["metadata"]["name"]] = spec["template"]["spec"]
    return found


def test_lint_finds_nothing(tools):
    assert "0 chart(s) failed" in helm(tools, "lint", CHART, "--strict")


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_follows_the_schema(tools, tmp_path, values, version):
    objects = rendered(tools, tmp_path, values)
    own = [one for one in objects if one["kind"] not in CUSTOM]
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(own))
    command = [tools / "bin/kubernetes-validate", "--strict", "-k", version, tmp_path / "objects.yaml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("passed") == len(own)


def test_the_schema_check_sees_what_is_wrong(tools, tmp_path):
    objects = rendered(tools, tmp_path, {})
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump(deployment))
    command = [tools / "bin/kubernetes-validate", "--strict", "-k", VERSIONS[-1], tmp_path / "objects.yaml"]
    assert subprocess.run(command, capture_output=True).returncode != 0


def test_everything_asked_for_is_there(tools, tmp_path):
    kinds = sorted(one["kind"] for one in rendered(tools, tmp_path, EVERYTHING))
    jobs, rest = (
        ["CronJob", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job"],
        ["Service", "ServiceMonitor"],
    )
    assert kinds == [*jobs, "NetworkPolicy", "NetworkPolicy", "PersistentVolumeClaim", *rest]
    few = sorted(one["kind"] for one in rendered(tools, tmp_path, {}))
    assert few == ["Deployment", "NetworkPolicy", "NetworkPolicy", "PersistentVolumeClaim", "Service"]


def test_every_pod_is_hardened_and_on_the_node_of_the_gallery(tools, tmp_path):
    found = pods(rendered(tools, tmp_path, EVERYTHING))
    assert len(found) == 3
    for name, pod in found.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        own = container["securityContext"]
        assert own["readOnlyRootFilesystem"] is True
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        (term,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "mine-gallery"


def test_the_notes_hold_a_command_that_makes_a_key(tools, tmp_path):
    """Run with a stand-in for kubectl: what it is told is a pod as hardened as the others."""
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(EVERYTHING))
    told = helm(tools, "install", "mine", CHART, "--dry-run=client", "--values", tmp_path / "values.yaml")
    command = told[told.index("  SCOPES=search") :]
    stand_in = tmp_path / "kubectl"
    stand_in.write_text('#!/bin/sh\nfor last; do :; done\nprintf %s "$last"\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["sh", "-euc", command], capture_output=True, text=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    given = json.loads(done.stdout.removeprefix("--overrides="))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cskt-key", **given["metadata"]}}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod | {"spec": given["spec"]}))
    command = [tools / "bin/kubernetes-validate", "--strict", "-k", VERSIONS[-1], tmp_path / "pod.yaml"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    service = pods(rendered(tools, tmp_path, EVERYTHING))["mine"]
    (container,), (other,) = given["spec"].pop("containers"), service["containers"]
    asked = ["key", "create", "--name", "first", "--scopes", "search", "--gallery", "/data/gallery"]
    assert container["args"] == asked
    for part in ("image", "env", "securityContext", "volumeMounts"):
        assert container[part] == other[part]
    assert given["spec"].pop("restartPolicy") == "Never"
    assert given["spec"].items() <= service.items()


def test_a_network_policy_for_nobody_is_refused(tools, tmp_path):
    (tmp_path / "values.yaml").write_text("network: {from: []}")
    said = helm(tools, "template", "mine", CHART, "--values", tmp_path / "values.yaml", status=1)
    assert "minItems" in said


def test_the_parts_find_each_other(tools, tmp_path):
    """Selectors, names and ports: what no schema sees."""
    objects = rendered(tools, tmp_path, EVERYTHING)
    by_kind = {one["kind"]: one for one in objects}
    template = by_kind["Deployment"]["spec"]["template"]
    labels, port = template["metadata"]["labels"], template["spec"]["containers"][0]["ports"][0]
    assert by_kind["Service"]["spec"]["selector"].items() <= labels.items()
    assert by_kind["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert by_kind["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert by_kind["ServiceMonitor"]["metadata"]["labels"]["release"] == "prometheus"
    assert (
        by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        == by_kind["Deployment"]["metadata"]["name"]
    )
    assert "replicas" not in by_kind["Deployment"]["spec"]  # or each `helm upgrade` would undo the scaling
    assert (
        by_kind["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items()
        <= by_kind["Service"]["metadata"]["labels"].items()
    )
    backend = by_kind["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": by_kind["Service"]["metadata"]["name"], "port": {"name": "http"}}
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    assert all("egress" not in policy and "Egress" in policy["policyTypes"] for policy in policies)


def test_its_settings_are_settings(tools, tmp_path):
    from service.settings import Settings

    known = {f"CSKT_{name.upper()}" for name in Settings.model_fields}
    (container,) = pods(rendered(tools, tmp_path, {}))["mine"]["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert set(given) <= known
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        assert Settings().trusted_proxies[0] == "10.0.0.0/8"


@pytest.mark.parametrize(
    "wrong", [{"replica": 2}, {"replicas": 0}, {"settings": {"PROFILE": "open"}}, {"storage": {"size": "5"}}]
)
def test_what_is_misspelt_is_refused(tools, tmp_path, wrong):
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(wrong))
    told = helm(tools, "template", "mine", CHART, "--values", tmp_path / "values.yaml", status=1)
    assert "don't meet the specifications of the schema" in told
