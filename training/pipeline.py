"""The pipeline: one function from a configuration to a Bundle, tracked from its first second to its last."""

import contextlib
import hashlib
import json
import logging
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any

import keras

from app.bundle import Bundle
from app.image import PIXELS, from_bytes
from training import report, tracking
from training.calibrate import calibrated
from training.config import TrainConfig
from training.corruptions import USUAL_SEVERITY
from training.data import Dataset, load
from training.export import export, in_each_precision, load_keras
from training.extra import add
from training.findings import Findings, examine
from training.fit import fit
from training.folder import BUNDLE, CONFIG, REPORT, RESULTS
from training.precisions import choose, compare

PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "matplotlib", "mlflow")


def run(config: TrainConfig, out: Path, data_dir: Path | None = None, extra_data: Path | None = None) -> Bundle:
    """Train, evaluate, export and track; leave everything in a new folder `out`, the Bundle in `out/bundle`.

    `extra_data` holds labelled images to train on as well; see training.labelled.
    `out` appears whole, or not at all if training fails or is interrupted. Raises FileExistsError if it is there.
    """
    _require_absent(out)
    git = _git()
    dataset, extra = load(config.dataset, data_dir), None
    if extra_data:
        dataset, extra = add(dataset, extra_data)
    tags = {"dataset": dataset.name, "data_sha256": dataset.sha256, **git}
    with tracking.start(asdict(config), tags) as tracked:
        history: list[dict[str, float]] = []

        def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
            history.append(dict(metrics))
            tracked.log_epoch(epoch, metrics)

        with _new_folder(out) as folder:
            model, temperature = calibrated(fit(config, dataset, on_epoch), dataset.validation)
            lineage = _lineage(git) | {
                "train_config": asdict(config),
                "extra_data": extra,
                "teacher": _teacher(config),
                "temperature": temperature,
                "mlflow_run_id": tracked.id,
            }
            exports = compare(in_each_precision(model), dataset.validation) if config.export == "auto" else []
            precision = choose(exports).precision if exports else config.export
            bundle, _ = export(model, dataset, folder / BUNDLE, name=model.name, lineage=lineage, precision=precision)
            model.save(folder / "model.keras")
            _save_h5(model, folder / "mnist_model.h5")
            _write_json(folder / CONFIG, asdict(config))
            findings = examine(bundle, dataset, history=history, exports=exports, precision=precision)
            _write_report(folder, findings)
        # Only now, so that a tracking server that has gone away meanwhile does not cost the trained model.
        tracked.log_model(model, from_bytes(dataset.test.images[:10]).reshape(-1, PIXELS))
        tracked.log_result(_metrics(findings), {"model_sha256": bundle.manifest.sha256}, out)
    return bundle


def bundle_keras(path: Path, out: Path, dataset: Dataset) -> Bundle:
    """Turn a saved Keras model, .keras or .h5, into a Bundle in a new folder `out`.

    Raises ExportError if the file is no Keras model, or its model no digit classifier.
    """
    model = load_keras(path)
    _require_absent(out)
    with _new_folder(out) as folder:
        lineage = _lineage(_git()) | {"train_config": None, "mlflow_run_id": None, "keras_file": path.name}
        bundle, _ = export(model, dataset, folder / BUNDLE, name=model.name, lineage=lineage)
        _write_report(folder, examine(bundle, dataset))
    return bundle


def _require_absent(out: Path) -> None:
    if out.exists():
        raise FileExistsError(f"{out} exists already; name another folder with --out, or remove it.")


@contextlib.contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out` that becomes `out` when the block ends well, and is removed otherwise."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _save_h5(model: keras.Model, path: Path) -> None:
    """Save the file that the original project had. Keras calls the format legacy each time, which helps nobody here."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    model.save(path)


def _write_report(folder: Path, findings: Findings) -> None:
    """Write the report, for people and as numbers: the model, how it learnt, and how it reads."""
    report.write(folder / REPORT, findings)
    values = {
        "model": findings.name,
        "sha256": findings.sha256,
        "dataset": findings.dataset,
        "history": findings.history,
        "test": asdict(findings.report),
        "corrupted": {"split": "validation", "severity": USUAL_SEVERITY, "accuracy": findings.corrupted},
        "exports": [asdict(one) for one in findings.exports],
    }
    _write_json(folder / RESULTS, values)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def _metrics(findings: Findings) -> dict[str, float]:
    return {
        "validation_corrupted_accuracy": fmean(findings.corrupted.values()),
        "test_accuracy": findings.report.accuracy,
        "test_worst_class_recall": findings.report.worst_class_recall,
        "test_ece": findings.report.ece,
    }


def _lineage(git: dict[str, str]) -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"git_commit": git["git_commit"], "git_dirty": git["git_dirty"] == "true", "versions": versions}


def _teacher(config: TrainConfig) -> dict[str, Any] | None:
    """The sum of the teacher's file and, where its run's folder is around it, how it was trained itself."""
    if not config.teacher:
        return None
    path = Path(config.teacher)
    beside = path.with_name(CONFIG)
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "train_config": json.loads(beside.read_text()) if beside.exists() else None,
    }


def _git() -> dict[str, str]:
    """The commit that is checked out, and whether files differ from it; "unknown" where there is no git."""
    try:
        commit = _output("git", "rev-parse", "HEAD")
        changes = _output("git", "status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": "unknown", "git_dirty": "unknown"}
    return {"git_commit": commit, "git_dirty": "true" if changes else "false"}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
