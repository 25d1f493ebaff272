"""Retraining: train, ask the Gate, register what passed, and put it in the champion's place for a pull request.

`python -m training.retrain --help`. What failed changes nothing but its own run. The steps stand in an order that lets
a second run on the same folder go on where a killed one stopped.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from app import bundle
from app.bundle import Manifest
from training import TrainingError, champion, judge, registry, report, tracking
from training.champion import MODEL
from training.commandline import add_run_flags, config_of, exit_code, out_of
from training.config import TrainConfig
from training.data import Dataset, load
from training.findings import examine
from training.folder import BUNDLE, REPORT, RESULTS
from training.gate import Decision, Policy
from training.judge import EXIT_ERROR, EXIT_FAILED, Verdict
from training.precisions import Export
from training.registry import CHALLENGER, CHAMPION, Version

VERDICT = "gate.json"


class RetrainError(TrainingError):
    """The run's folder cannot be gone on with; the message says why and what to do."""


def retrain(
    config: TrainConfig,
    out: Path,
    place: Path = MODEL,
    data_dir: Path | None = None,
    extra_data: Path | None = None,
) -> Verdict:
    """Train into `out`, or go on with the run that is there, and conclude it."""
    champion.recover(place)
    dataset = config.dataset
    if out.exists():
        manifest = bundle.read(out / BUNDLE).manifest
        _require_same_run(config, extra_data, out, manifest)
        dataset = manifest.dataset
    # Before an hour of training rather than after it.
    judge.require_dataset(place, bundle.read(place).manifest.dataset, dataset)
    if not out.exists():
        from training import pipeline

        pipeline.run(config, out, data_dir, extra_data)
    return conclude(out, place, load(dataset, data_dir), judge.policy_for(dataset))


def _require_same_run(config: TrainConfig, extra_data: Path | None, out: Path, manifest: Manifest) -> None:
    """Raise RetrainError if flags ask for another training than the one whose folder is there."""
    if config == TrainConfig() and extra_data is None:  # no flag: whatever it was
        return
    asked = asdict(config) | {"extra_data": extra_data.resolve().name if extra_data else None}
    extra = manifest.lineage.get("extra_data")
    trained = asdict(TrainConfig()) | (manifest.lineage.get("train_config") or {})
    trained["extra_data"] = extra["folder"] if extra else None
    if differing := [name for name in asked if asked[name] != trained[name]]:
        raise RetrainError(
            f"{out} was trained with another {', '.join(differing)}. Name another folder with --out to train, or give"
            " --out alone to go on with the run that is there."
        )


def conclude(out: Path, place: Path, dataset: Dataset, policy: Policy) -> Verdict:
    """Judge a finished run; if it passes, register it and put it in the champion's place.

    A second time changes nothing. Raises RetrainError if the Bundle is of no tracked run.
    """
    manifest = bundle.read(out / BUNDLE).manifest
    if not manifest.lineage.get("mlflow_run_id"):
        raise RetrainError(f"{out} was not made by training, so there is no run to register. Train with --out NEW.")
    verdict = _verdict(out, place, dataset, policy)
    decision = verdict.decision
    print(verdict, flush=True)
    tracking.log_verdict(
        manifest.lineage["mlflow_run_id"],
        out / VERDICT,
        passed=decision.passed,
        failed_rules=decision.failed,
        report=out / REPORT,
    )
    if decision.passed:
        version = _register(manifest)
        if bundle.read(place).manifest.sha256 != manifest.sha256:
            champion.publish(out, place)
        print(f"{version} of {registry.NAME} is registered, and {place} holds it: commit it for a pull request.")
    return verdict


def _verdict(out: Path, place: Path, dataset: Dataset, policy: Policy) -> Verdict:
    """The verdict that was given already, else a new one: judging until it passes would not be judging."""
    candidate, current = (bundle.read(folder).manifest.sha256 for folder in (out / BUNDLE, place))
    if (out / VERDICT).exists():
        given = judge.read(out / VERDICT)
        # It may stand in the champion's place by now.
        if (given.candidate, given.policy) == (candidate, policy) and current in {given.champion, candidate}:
            return given
    decision = judge.judge(out / BUNDLE, place, dataset, policy)
    _write_report(out, place, dataset, decision)
    verdict = Verdict(candidate, current, policy, decision)
    verdict.write(out / VERDICT)  # last, so that whoever finds it finds the report too
    return verdict


def _write_report(out: Path, place: Path, dataset: Dataset, decision: Decision) -> None:
    """Put the report of candidate, champion and decision in place of the one that training wrote of the run alone."""
    learnt = json.loads((out / RESULTS).read_text())
    candidate = bundle.read(out / BUNDLE)
    findings = examine(
        candidate,
        dataset,
        history=learnt["history"],
        exports=[Export(**export) for export in learnt["exports"]],
        precision=candidate.manifest.lineage["export"],
    )
    report.write(out / REPORT, findings, examine(bundle.read(place), dataset), decision)


def _register(manifest: Manifest) -> Version:
    """Register a run's model once, and make it the challenger unless it is the champion."""
    lineage = manifest.lineage
    tags = {
        "gate": "passed",
        "model_sha256": manifest.sha256,
        "data_sha256": lineage["data_sha256"],
        "dataset": manifest.dataset,
        "git_commit": lineage["git_commit"],
        "git_dirty": str(lineage["git_dirty"]).lower(),
    }
    with registry.opened() as models:
        version = models.holding(manifest.sha256) or models.register(lineage["mlflow_run_id"], tags)
        if version.tags.get("gate") != "passed":
            models.tag(version, {"gate": "passed"})
        if models.at(CHAMPION) != version:
            models.point(CHALLENGER, version)
    return version


def main(arguments: list[str] | None = None) -> int:
    """Retrain. Returns the exit code: 0 passed, 1 failed by the Gate, 2 with one line that says why, or 130."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: _execute(options), error_code=EXIT_ERROR, interrupted="run it again with --out to go on")


def _execute(options: argparse.Namespace) -> int:
    config = config_of(options)
    verdict = retrain(config, out_of(options, config), options.champion, options.data_dir, options.extra_data)
    return 0 if verdict.decision.passed else EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m training.retrain",
        description="Train, ask the Gate, register what passed and put it in the champion's place."
        " With --out of a finished run, go on after training.",
    )
    add_run_flags(parser)
    parser.add_argument("--champion", type=Path, default=MODEL, help="folder of the champion (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
