"""The chart as helm renders it, and one list of values in values.yaml, schema and README."""

import json
import os
import re
import subprocess
from dataclasses import asdict, fields

import pytest
import yaml

from app.config import Settings
from tests.serving import CHAMPION, ROOT, Server
from training.config import TrainConfig

HELM = os.environ.get("HELM", "helm")
CHART = ROOT / "helm" / "mnist-api"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Settings that the chart or the image decides itself: they belong to its ports, volumes and mounts, or to the build.
OWN = {"host", "port", "metrics_port", "metrics_dir", "model_dir", "version", "revision"}


def helm_template(*arguments, release="release"):
    command = [HELM, "template", release, str(CHART), "--namespace", "space", "--kube-version", "1.35.0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def render(*sets, values=()):
    """Everything that is rendered, by kind (the test's pod as "Test")."""
    arguments = [
        word for value in sets for word in ("--set-json" if "=[" in value or "={" in value else "--set", value)
    ]
    ended = helm_template(*arguments, *(word for path in values for word in ("--values", str(path))))
    assert ended.returncode == 0, ended.stderr
    found = {}
    for document in yaml.safe_load_all(ended.stdout):
        kind = "Test" if document["kind"] == "Pod" else document["kind"]
        assert kind not in found
        found[kind] = document
    return found


def pod_of(rendered):
    return rendered["Deployment"]["spec"]["template"]["spec"]


def api_of(rendered):
    (container,) = pod_of(rendered)["containers"]
    return container


def refusal(*sets):
    ended = helm_template(*(word for value in sets for word in ("--set", value)))
    assert ended.returncode != 0
    return ended.stderr


RETRAIN = "retrain.enabled=true,retrain.trackingUri=http://mlflow.ml.svc:5000"


def retrain_of(rendered):
    return rendered["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]


DEFAULT_KINDS = {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "Test"}


def test_defaults_render_what_is_on_by_default():
    assert render().keys() == DEFAULT_KINDS


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("autoscaling.enabled=true", "HorizontalPodAutoscaler"),
        ("serviceMonitor.enabled=true", "ServiceMonitor"),
        ("prometheusRule.enabled=true,prometheusRule.runbookUrl=http://a/R.md", "PrometheusRule"),
        ("dashboards.enabled=true", "ConfigMap"),
        ("ingress.enabled=true,ingress.hosts[0]=a.example.org", "Ingress"),
        ("httpRoute.enabled=true,httpRoute.parentRefs[0].name=gateway", "HTTPRoute"),
        ("retrain.enabled=true,retrain.trackingUri=http://mlflow:5000", "CronJob"),
    ],
)
def test_option_adds_its_object(switch, kind):
    assert render(switch).keys() == DEFAULT_KINDS | {kind}


@pytest.mark.parametrize(
    ("switch", "kind"), [("podDisruptionBudget", "PodDisruptionBudget"), ("networkPolicy", "NetworkPolicy")]
)
def test_option_can_be_switched_off(switch, kind):
    assert render(f"{switch}.enabled=false").keys() == DEFAULT_KINDS - {kind}


def test_full_values_render():
    assert len(render(values=[CHART / "ci" / "full-values.yaml"])) == len(DEFAULT_KINDS) + 7


def test_every_pod_is_restricted():
    """The pod security standard `restricted`: the service, its init container, the test, and all that trains."""
    rendered = render(
        RETRAIN,
        "model.source=url,model.url.address=http://a/b.tar,networkPolicy.egress[0].to[0].ipBlock.cidr=10.0.0.0/8",
        f"model.url.sha256={'0' * 64}",
    )
    manifests = [
        document
        for path in sorted((ROOT / "deploy" / "training").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    training = [one["spec"]["template"]["spec"] for one in manifests if one["kind"] in {"Deployment", "Job"}]
    assert len(training) == 2
    for pod in (pod_of(rendered), rendered["Test"]["spec"], retrain_of(rendered)["spec"], *training):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"] + pod.get("initContainers", []):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_selectors_do_not_change_between_versions():
    rendered = render()
    selector = rendered["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.keys() == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    assert rendered["Service"]["spec"]["selector"] == selector
    assert rendered["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == selector
    assert rendered["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == selector
    assert selector.items() <= rendered["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert not selector.items() <= rendered["Test"]["metadata"]["labels"].items()


def test_rollout_never_goes_below_the_wanted_number():
    deployment = render()["Deployment"]["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert deployment["replicas"] == 2


def test_probes_ask_what_they_are_for():
    container = api_of(render())
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }
    assert container["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}


def test_replicas_are_the_autoscalers_when_it_is_on():
    rendered = render("autoscaling.enabled=true")
    assert "replicas" not in rendered["Deployment"]["spec"]
    assert rendered["HorizontalPodAutoscaler"]["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ((), "mnist-api:0.1.0"),
        (("image.repository=r.example.org/a/b", "image.tag=v2"), "r.example.org/a/b:v2"),
        (("image.tag=v2", f"image.digest=sha256:{'a' * 64}"), f"mnist-api@sha256:{'a' * 64}"),
    ],
)
def test_image_by_tag_or_digest(values, image):
    rendered = render(*values)
    assert api_of(rendered)["image"] == image
    assert rendered["Test"]["spec"]["containers"][0]["image"] == image


def environment(container):
    return {one["name"]: one.get("value") for one in container["env"]}


def test_settings_become_environment_as_the_service_reads_them(tmp_path):
    """Rendered and read back: large numbers are not written as 4.194304e+06, and nothing is unknown."""
    values = tmp_path / "values.yaml"
    values.write_text("settings: {max_batch: 7, log_level: debug, log_sample: 0.25}")
    rendered = environment(api_of(render(values=[values])))
    settings = Settings.from_env({name: value for name, value in rendered.items() if name.startswith("MNIST_")})
    assert (settings.max_batch, settings.log_level, settings.log_sample) == (7, "debug", 0.25)
    assert settings.max_body_bytes == 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("source", "volume", "folder"),
    [
        (("model.source=image", "model.image.reference=r/b:1", "model.path=b"), "image", "/model/b"),
        (
            ("model.source=claim", "model.claim.name=models", "model.path=mnist/1"),
            "persistentVolumeClaim",
            "/model/mnist/1",
        ),
        (("model.source=claim", "model.claim.name=models"), "persistentVolumeClaim", "/model"),
        (
            (
                "model.source=url",
                "model.url.address=https://a/b.tgz",
                f"model.url.sha256={'0' * 64}",
                "networkPolicy.enabled=false",
            ),
            "emptyDir",
            "/model/bundle",
        ),
    ],
)
def test_model_from_elsewhere(source, volume, folder):
    rendered = render(*source)
    (model,) = (one for one in pod_of(rendered)["volumes"] if one["name"] == "model")
    assert volume in model
    assert environment(api_of(rendered))["MNIST_MODEL_DIR"] == folder
    (mount,) = (one for one in api_of(rendered)["volumeMounts"] if one["name"] == "model")
    assert mount == {"name": "model", "mountPath": "/model", "readOnly": True}
    fetches = pod_of(rendered).get("initContainers", [])
    assert [one["command"][2:] for one in fetches] == (
        [["app.fetch", "https://a/b.tgz", "0" * 64, folder]] if volume == "emptyDir" else []
    )


def test_pod_of_a_test_that_succeeded_does_not_outlive_the_release():
    policy = render()["Test"]["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert "hook-succeeded" in policy.split(",")


def test_bundled_model_needs_no_volume():
    assert [volume["name"] for volume in pod_of(render())["volumes"]] == ["tmp"]
    assert "MNIST_MODEL_DIR" not in environment(api_of(render()))


def test_network_policy_closes_what_is_not_opened():
    policy = render()["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    api, metrics = policy["ingress"]
    assert "from" not in api
    assert metrics["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    only = render('networkPolicy.from=[{"podSelector":{"matchLabels":{"a":"b"}}}]')["NetworkPolicy"]["spec"]["ingress"][
        0
    ]
    assert only["from"] == [{"podSelector": {"matchLabels": {"a": "b"}}}]


def test_canary_gets_its_share():
    route = "httpRoute.enabled=true,httpRoute.parentRefs[0].name=g,httpRoute.weight=90"
    (rule,) = render(route, "httpRoute.canary.service=other,httpRoute.canary.weight=10")["HTTPRoute"]["spec"]["rules"]
    assert [(one["name"], one["weight"]) for one in rule["backendRefs"]] == [("release-mnist-api", 90), ("other", 10)]


def test_no_selector_of_the_service_matches_a_pod_that_retrains():
    rendered = render(RETRAIN, "serviceMonitor.enabled=true")
    labels = retrain_of(rendered)["metadata"]["labels"].items()
    selectors = [
        rendered["Deployment"]["spec"]["selector"]["matchLabels"],
        rendered["Service"]["spec"]["selector"],
        rendered["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        rendered["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert not [selector for selector in selectors if selector.items() <= labels]


def test_retraining_never_overlaps_and_takes_the_gates_no():
    spec = render(RETRAIN)["CronJob"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    job = spec["jobTemplate"]["spec"]
    disrupted, refused = job["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert refused["action"] == "FailJob"
    assert refused["onExitCodes"]["values"] == [1]
    (container,) = job["template"]["spec"]["containers"]
    assert refused["onExitCodes"]["containerName"] == container["name"]


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ((), ["cp", "-R", "/srv/deploy/model", "/work/champion"]),
        (
            ("model.source=claim,model.claim.name=models,model.path=mnist/1",),
            ["cp", "-R", "/model/mnist/1", "/work/champion"],
        ),
        (
            (
                "model.source=url,model.url.address=https://a/b,networkPolicy.enabled=false",
                f"model.url.sha256={'0' * 64}",
            ),
            ["python", "-m", "app.fetch", "https://a/b", "0" * 64, "/work/champion"],
        ),
    ],
)
def test_retraining_is_compared_with_what_the_release_serves(source, command):
    rendered = render(RETRAIN, *source)
    pod = retrain_of(rendered)["spec"]
    (champion,) = pod["initContainers"]
    assert champion["command"] == command
    assert champion["image"] == api_of(rendered)["image"]
    (container,) = pod["containers"]
    assert container["command"][-4:] == ["--champion", "/work/champion", "--out", "/work/run"]
    mounted = {mount["name"] for one in (champion, container) for mount in one["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"]} == mounted


def test_retraining_finds_its_data_and_its_server():
    pod = retrain_of(render(RETRAIN, "retrain.dataClaim=mnist"))["spec"]
    (container,) = pod["containers"]
    assert environment(container)["MNIST_DATA_DIR"] == "/data"
    assert environment(container)["MLFLOW_TRACKING_URI"] == "http://mlflow.ml.svc:5000"
    assert {"name": "data", "mountPath": "/data", "readOnly": True} in container["volumeMounts"]
    assert "MNIST_DATA_DIR" not in environment(retrain_of(render(RETRAIN))["spec"]["containers"][0])


def test_name_of_the_longest_release_leaves_room_for_the_time():
    ended = helm_template("--set", RETRAIN, release="x" * 53)
    (job,) = (one for one in yaml.safe_load_all(ended.stdout) if one["kind"] == "CronJob")
    assert len(job["metadata"]["name"]) <= 52


def test_options_of_retraining_made_the_champion():
    given = dict(argument.removeprefix("--").split("=") for argument in VALUES["retrain"]["args"])
    manifest = json.loads((CHAMPION / "manifest.json").read_text())
    made_of, defaults = manifest["lineage"]["train_config"], asdict(TrainConfig())
    chosen = {name.replace("_", "-"): value for name, value in made_of.items() if value != defaults[name]}
    assert {name: type(chosen[name])(value) for name, value in given.items()} == chosen


WATCHED = (
    "serviceMonitor.enabled=true,dashboards.enabled=true",
    "prometheusRule.enabled=true,prometheusRule.runbookUrl=https://git.example.org/RUNBOOK.md",
)


def test_prometheus_objects_have_the_labels_that_are_selected():
    rendered = render(*WATCHED)
    assert rendered["ServiceMonitor"]["metadata"]["labels"]["release"] == "prometheus"
    assert rendered["PrometheusRule"]["metadata"]["labels"]["release"] == "prometheus"
    assert rendered["ConfigMap"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    selected = rendered["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert selected.items() <= rendered["Service"]["metadata"]["labels"].items()
    assert {port["name"] for port in rendered["Service"]["spec"]["ports"]} == {"http", "metrics"}
    for text in rendered["ConfigMap"]["data"].values():
        assert json.loads(text)["panels"]


def test_rules_watch_this_release_and_are_otherwise_those_of_the_file():
    text = (CHART / "files" / "alerts.yaml").read_text()
    assert "{{ $labels.job }}" in text  # Prometheus', for Helm to leave alone
    mine = text.replace('job="mnist-api"', 'namespace="space", job="release-mnist-api"')
    mine = mine.replace("RUNBOOK.md#", "https://git.example.org/RUNBOOK.md#")
    rendered = render(*WATCHED)
    assert rendered["PrometheusRule"]["spec"] == yaml.safe_load(mine)
    assert rendered["Service"]["metadata"]["name"] == "release-mnist-api"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("replicaCont=3",), "additional properties 'replicaCont' not allowed"),
        (("settings.wokers=3",), "additional properties 'wokers' not allowed"),
        (("settings.workers=0",), "got 0, want 1"),
        (("settings.log_level=loud",), "must be one of 'debug', 'info', 'warning', 'error'"),
        (("image.pullPolicy=Sometimes",), "must be one of 'Always', 'IfNotPresent', 'Never'"),
        (("image.digest=abc",), "does not match pattern"),
        (("model.source=cloud",), "must be one of 'bundled', 'image', 'claim', 'url'"),
        (("model.source=image",), "set model.image.reference"),
        (("model.source=claim",), "set model.claim.name"),
        (("model.source=url",), "set model.url.address and model.url.sha256"),
        (("model.source=url", "model.url.address=http://a/b", f"model.url.sha256={'0' * 64}"), "networkPolicy.egress"),
        (("model.path=../etc",), "does not match pattern"),
        (("settings.shutdown_s=60",), "terminationGracePeriodSeconds must be more than"),
        (("autoscaling.minReplicas=11",), "autoscaling.minReplicas is more than autoscaling.maxReplicas"),
        (("ingress.enabled=true",), "name at least one host"),
        (("httpRoute.enabled=true",), "name the gateway"),
        (("prometheusRule.enabled=true",), "set prometheusRule.runbookUrl to the address at which deploy/RUNBOOK.md"),
        (("prometheusRule.runbookUrl=RUNBOOK.md",), "does not match pattern"),
        (("retrain.enabled=true",), "set retrain.trackingUri to the MLflow server's address"),
        (("retrain.trackingUri=mlflow",), "does not match pattern"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_with_a_sentence(values, message):
    assert message in refusal(*values)


def leaves(values, schema, name=""):
    """Every value by its full name, as far down as the schema names its keys and the README lists it."""
    for key, value in values.items():
        full, part = f"{name}.{key}" if name else key, schema["properties"][key]
        documented_whole = full in README_ROWS
        if part.get("properties") and not documented_whole:
            yield from leaves(value, part, full)
        else:
            yield full, value


README_ROWS = dict(re.findall(r"^\| `([\w.]+)` \| `(.*)` \| .+ \|$", (CHART / "README.md").read_text(), re.M))


def test_every_value_is_in_the_readme_with_its_default():
    assert {name: json.dumps(value) for name, value in leaves(VALUES, SCHEMA)} == README_ROWS


def test_schema_and_values_name_the_same():
    def compare(values, schema, name):
        if schema.get("properties") and not name.endswith("Probe"):
            known = schema["properties"].keys() - {"global"}
            assert schema["additionalProperties"] is False, name
            assert values.keys() == known, name
            for key in known:
                compare(values[key], schema["properties"][key], f"{name}.{key}")

    compare(VALUES, SCHEMA, "")


def test_settings_of_chart_and_service_are_one_list():
    settings = {item.name: item for item in fields(Settings) if item.name not in OWN}
    assert VALUES["settings"].keys() == settings.keys()
    for name, item in settings.items():
        if name != "workers":  # one a pod: Kubernetes does the scaling
            assert VALUES["settings"][name] == item.default, name
        rule = SCHEMA["properties"]["settings"]["properties"][name]
        if item.metadata["choices"]:
            assert rule == {"enum": list(item.metadata["choices"])}
        elif item.metadata["form"]:
            assert rule == {"type": "string", "pattern": f"^{item.metadata['form']}$"}
        else:
            assert rule["minimum"] == item.metadata["low"], name
            assert rule.get("maximum", float("inf")) == item.metadata["high"], name


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "values").glob("*.yaml")), ids=lambda path: path.name)
def test_values_file_is_a_delta(path):
    def check(values, defaults, name):
        for key, value in values.items():
            assert key in defaults, f"{name}.{key}"
            if isinstance(value, dict) and defaults[key]:
                check(value, defaults[key], f"{name}.{key}")
            else:
                assert value != defaults[key], f"{name}.{key} repeats the default"

    check(yaml.safe_load(path.read_text()), VALUES, "")
    assert render(values=[path])


def test_metrics_in_alerts_dashboards_and_runbook_exist():
    server = Server(workers=1)
    try:
        served = {sample.partition("{")[0] for sample in server.metrics()}
    finally:
        server.stop()
    served |= {re.sub(r"_(bucket|count|sum)$", "", name) for name in served}
    texts = [CHART / "files" / "alerts.yaml", ROOT / "deploy" / "RUNBOOK.md"]
    for path in [*texts, *(CHART / "files" / "dashboards").glob("*.json")]:
        used = set(re.findall(r"\bmnist_[a-z_]+", path.read_text()))
        assert used, path
        assert used <= served, path
