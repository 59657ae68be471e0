"""Holds what packaging contains together; script/packaging-check runs it in an environment that has the schemas."""

import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import yaml

# The oldest Kubernetes that the manifests are for (preStop's sleep came with it), and the newest whose schemas are here.
VERSIONS = ["1.30", kubernetes_validate.latest_version()]
# What a pod needs to end beyond its waits.
SPARE_SECONDS = 5

root = pathlib.Path(sys.argv[1])
photofinish = sys.argv[2]
problems = []


def problem(place, text):
    problems.append(f"{place}: {text}")


def run(*arguments, stdin=None):
    return subprocess.run([photofinish, *arguments], input=stdin, text=True, capture_output=True)


def seconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def validated(place, text):
    """Settings as they come out, with every default; None when they are not valid."""
    result = run("validate", "--strict", "-", stdin=text)
    if result.returncode != 0:
        problem(place, "photofinish validate: " + result.stdout.strip() + result.stderr.strip())
        return None
    return yaml.safe_load(run("settings", "--show", "-", stdin=text).stdout)


def answered_by_itself(settings):
    """Paths that the proxy answers whatever its servers do."""
    routes = settings.get("routes") or []
    paths = [path for route in routes if "respond" in route for path in route.get("exact-paths", [])]
    return [path for each in paths for path in (each if isinstance(each, list) else [each])]


def check_manifest(path):
    documents = [each for each in yaml.safe_load_all(path.read_text()) if each]
    for document in documents:
        place = f"{path.name}: {document.get('kind')} {document.get('metadata', {}).get('name')}"
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problem(place, f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")

    def kinds(kind):
        return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}

    settings = {
        name: {file: validated(f"{path.name}: ConfigMap {name}", text) for file, text in each["data"].items()}
        for name, each in kinds("ConfigMap").items()
    }
    deployments = kinds("Deployment")
    for name, deployment in deployments.items():
        check_deployment(f"{path.name}: Deployment {name}", deployment["spec"], settings)

    labels = [each["spec"]["template"]["metadata"]["labels"] for each in deployments.values()]
    selectors = [(name, each["spec"]["selector"]) for name, each in kinds("Service").items()]
    selectors += [(name, each["spec"]["selector"]["matchLabels"]) for name, each in kinds("PodDisruptionBudget").items()]
    for name, selector in selectors:
        if not any(selector.items() <= each.items() for each in labels):
            problem(f"{path.name}: {name}", f"selects {selector}, which no Deployment's pods have")
    ports = {
        port["name"]
        for each in deployments.values()
        for container in each["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", [])
    }
    for name, service in kinds("Service").items():
        for port in service["spec"]["ports"]:
            if port["targetPort"] not in ports:
                problem(f"{path.name}: Service {name}", f"no container has the port {port['targetPort']}")
    for name, scaler in kinds("HorizontalPodAutoscaler").items():
        target = scaler["spec"]["scaleTargetRef"]["name"]
        if target not in deployments:
            problem(f"{path.name}: HorizontalPodAutoscaler {name}", f"there is no Deployment {target}")
        elif "replicas" in deployments[target]["spec"]:
            problem(f"{path.name}: Deployment {target}", "replicas are the autoscaler's; leave them out")


def check_deployment(place, spec, settings):
    pod = spec["template"]["spec"]
    if spec["selector"]["matchLabels"].items() - spec["template"]["metadata"]["labels"].items():
        problem(place, "its selector does not select its own pods")
    mounted = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    for name in mounted:
        if name not in settings:
            problem(place, f"mounts the ConfigMap {name}, which is not there")
    files = [file for name in mounted for file in settings.get(name, {}).values() if file]
    version = run("--version").stdout.strip()
    for container in pod["containers"]:
        name = f"{place}: container {container['name']}"
        if container["image"].rpartition(":")[2] != version:
            problem(name, f"image {container['image']} is not of version {version}")
        security = container["securityContext"]
        if security["allowPrivilegeEscalation"] or not security["readOnlyRootFilesystem"]:
            problem(name, "may change more than it has to")
        for mount in container.get("volumeMounts", []):
            if "subPath" in mount:
                problem(name, "a file mounted by subPath is never renewed, so a reload finds the old one")
        own = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe in container:
                check_probe(f"{name}: {probe}", container[probe]["httpGet"], own, files)
    if not pod["securityContext"]["runAsNonRoot"]:
        problem(place, "runs as root")
    waits = [each.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) for each in pod["containers"]]
    for file in files:
        needed = max(waits) + seconds(file["timeouts"]["drain"]) + SPARE_SECONDS
        if pod["terminationGracePeriodSeconds"] < needed:
            problem(
                place,
                f"terminationGracePeriodSeconds is {pod['terminationGracePeriodSeconds']}: preStop, timeouts.drain and"
                f" {SPARE_SECONDS}s to spare take {needed:g}; the pod would be killed while it drains",
            )


def check_probe(place, probe, ports, files):
    if probe["port"] not in ports:
        problem(place, f"asks the port {probe['port']}, which the container does not name")
        return
    for file in files:
        if probe["path"] not in answered_by_itself(file):
            problem(place, f"asks {probe['path']}, which no route of the settings answers by itself")
        listeners = [each if isinstance(each, str) else each["address"] for each in file["listen"]]
        if not any(each.endswith(f":{ports[probe['port']]}") for each in listeners):
            problem(place, f"asks port {ports[probe['port']]}, and the settings listen on {listeners}")


def check_image():
    text = (root / "Dockerfile").read_text().replace("\\\n", " ")
    for sources in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            if not (root / source).exists():
                problem("Dockerfile", f"copies {source}, which is not there")
    settings = validated("packaging/container/photofinish.yaml", (root / "packaging/container/photofinish.yaml").read_text())
    health = (root / "packaging/container/photofinish-health").read_text()
    port, path = re.search(r"\{1:-(\d+)\}", health).group(1), re.search(r"\{2:-([^}]+)\}", health).group(1)
    if settings and path not in answered_by_itself(settings):
        problem("photofinish-health", f"asks {path}, which no route of the image's settings answers by itself")
    if settings and not any(str(each).endswith(f":{port}") for each in settings["listen"]):
        problem("photofinish-health", f"asks port {port}, and the image's settings listen on {settings['listen']}")


manifests = sorted((root / "packaging/kubernetes").glob("*.yaml"))
if not manifests:
    problem("packaging/kubernetes", "there is no manifest")
for manifest in manifests:
    check_manifest(manifest)
check_image()
for each in problems:
    print(each, file=sys.stderr)
if problems:
    sys.exit(1)
print(f"{len(manifests)} manifest(s) valid for Kubernetes {' and '.join(VERSIONS)}; the image's files fit together")
