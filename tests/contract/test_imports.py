"""Who may import whom, read from the source; and that importing does no work."""

import ast
import subprocess
import sys

import pytest

from tests.serving import ROOT

SHARED_WITH_TRAINING = {"app.bundle", "app.image", "app.model", "app.normalize", "app.picture"}
# What each module of app may import of app. A module that is not here may import nothing of it.
ALLOWED = {
    "app.main": {
        *("api", "body", "bundle", "config", "counts", "errors", "feedback", "inference_protocol", "lane", "logs"),
        *("metrics", "model", "observation", "openapi", "predictor", "protocol_v1", "readiness", "served_model"),
        "trace",
    },
    "app.openapi": {
        *("answers", "bundle", "config", "doors", "errors", "logs", "pages", "protocol_doors", "routes", "trace"),
    },
    "app.doors": {
        *("answers", "body", "bundle", "config", "content", "feedback", "image", "pages", "payload", "picture"),
        *("predictor", "query"),
    },
    "app.protocol_doors": {
        *("answers", "bundle", "config", "doors", "image", "inference_metadata", "inference_request"),
        *("inference_response", "payload", "protocol_v1", "served_model", "tensor"),
    },
    "app.answers": {"payload", "predictor"},
    "app.api": {
        *("answers", "body", "config", "content", "feedback", "metrics", "model", "pages", "payload", "picture"),
        *("predictor", "query", "readiness", "routes"),
    },
    "app.inference_protocol": {
        *("answers", "body", "config", "inference_metadata", "inference_request", "inference_response"),
        *("served_model", "tensor"),
    },
    "app.protocol_v1": {"answers", "body", "config", "payload", "served_model", "tensor"},
    "app.inference_request": {"image", "model", "payload", "tensor"},
    "app.inference_response": {"inference_request", "model", "predictor"},
    "app.served_model": {"bundle", "feedback", "payload", "predictor", "readiness"},
    "app.tensor": {"image", "payload"},
    "app.lane": {"config", "feedback", "logs", "metrics", "observation", "payload", "predictor", "trace"},
    "app.observation": {"config", "logs", "metrics", "predictor", "trace"},
    "app.predictor": {"image", "metrics", "model", "payload"},
    "app.payload": {"image"},
    "app.errors": {"answers", "body", "feedback", "image", "payload", "picture", "query", "served_model"},
    "app.__main__": {"commandline"},
    "app.commandline": {"bundle", "config", "files", "image", "logs", "model", "predictor"},
    "app.content": {"body", "config", "files", "image", "payload", "picture"},
    "app.files": {"image", "normalize", "payload", "picture"},
    "app.normalize": {"image"},
    "app.picture": {"image", "metadata"},
    "app.metrics": {"value", "worker_metrics"},
    "app.model": {"bundle"},
    "app.fetch": {"bundle"},
    "app.admission": {"turns"},
    "app.connection": {"framing"},
    "app.refusals": {"errors", "framing", "logs"},
    "app.scrape": {"value"},
    "app.worker": {
        *("admission", "connection", "counts", "environ", "errors", "framing", "lane", "logs", "metrics", "refusals"),
        *("room", "trace", "turns"),
    },
    "app.gunicorn.conf": {"config", "counts", "logs", "scrape"},
}
HEAVY = {  # package -> the only modules that may import it
    "tensorflow": {"training.augment", "training.export", "training.fit", "training.network"},
    "keras": {
        *("training.augment", "training.calibrate", "training.export", "training.fit", "training.network"),
        "training.pipeline",
    },
    "mlflow": {"training.registry", "training.tracking"},
    "sklearn": {"training.data"},
    "matplotlib": {"training.plots"},
    "PIL": {"app.normalize", "app.picture"},
    "flask": {
        *("app.answers", "app.api", "app.body", "app.content", "app.errors", "app.inference_protocol", "app.lane"),
        *("app.main", "app.openapi", "app.pages", "app.protocol_v1", "app.routes", "app.served_model", "app.trace"),
    },
    "prometheus_client": {"app.metrics", "app.scrape", "app.value", "app.worker_metrics"},
    "opentelemetry": {"app.trace"},
    "gevent": {"app.connection", "app.room", "app.turns", "app.worker"},
    "gunicorn": {"app.lane", "app.worker"},
    "ai_edge_litert": {"app.model"},
}


def imports_of(path):
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module
            if node.module in {"app", "training"}:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    found = [path for folder in ("app", "training") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(found) > 20
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in found}


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("app.")])
def test_app_imports_only_what_it_may(module):
    imported = {name for name in imports_of(modules()[module]) if name.startswith("app.")}
    assert imported <= {f"app.{name}" for name in ALLOWED.get(module, set())}
    assert not {name.split(".")[0] for name in imports_of(modules()[module])} & {"training", "deploy", "loadtests"}


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("training")])
def test_training_imports_only_what_it_shares_with_serving(module):
    imported = set(imports_of(modules()[module]))
    assert {name for name in imported if name.startswith("app.")} <= SHARED_WITH_TRAINING
    assert not {name.split(".")[0] for name in imported} & {"deploy", "loadtests"}


@pytest.mark.parametrize("package", HEAVY)
def test_package_is_imported_only_where_it_belongs(package):
    importers = {name for name, path in modules().items() if package in {top.split(".")[0] for top in imports_of(path)}}
    assert importers <= HEAVY[package]


def test_app_is_empty_of_code():
    assert len(ast.parse((ROOT / "app" / "__init__.py").read_text()).body) == 1


@pytest.mark.parametrize(
    "module", ["app.bundle", "app.image", "app.model", "app.config", "app.logs", "app.counts", "app.trace"]
)
def test_import_brings_no_flask_and_prints_nothing(module):
    code = f"import sys, {module}; assert 'flask' not in sys.modules and 'prometheus_client' not in sys.modules"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
