"""The registry: which models were registered, and which of them is champion or challenger. An MLflow registered model.

It mirrors the repository, where the champion is what is committed. Aliases say who is what; MLflow's stages are not
used. Knows versions, tags and aliases; training.promotion knows when they may change.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mlflow

from app.bundle import Manifest
from training.folder import BUNDLE, REPORT
from training.tracking import TrackingError, connected, experiment

NAME = "mnist-api"
CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class Version:
    """A registered model: its number, the run that holds it, and its tags as they were when it was looked up."""

    number: str
    run_id: str
    tags: Mapping[str, str] = field(compare=False)

    def __str__(self) -> str:
        return f"version {self.number} ({self.sha256[:8]})"

    @property
    def sha256(self) -> str:
        return self.tags.get("model_sha256", "")

    @property
    def may_be_champion(self) -> bool:
        """Whether it passed the Gate, or was the champion before there was a registry."""
        return self.tags.get("gate") == "passed" or self.tags.get("adopted") == "true"


class Registry:
    """The versions and aliases of this project's registered model."""

    def __init__(self, client: mlflow.MlflowClient) -> None:
        self._client = client

    def version(self, number: str) -> Version | None:
        return next((version for version in self._versions() if version.number == number), None)

    def holding(self, sha256: str) -> Version | None:
        """The newest version with this model, if there is one."""
        return next((version for version in self._versions() if version.sha256 == sha256), None)

    def at(self, alias: str) -> Version | None:
        """The version that an alias points to, if it points to one."""
        number = self._aliases().get(alias)
        return self.version(number) if number else None

    def point(self, alias: str, version: Version) -> None:
        self._client.set_registered_model_alias(NAME, alias, version.number)

    def clear(self, alias: str) -> None:
        self._client.delete_registered_model_alias(NAME, alias)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self._client.set_model_version_tag(NAME, version.number, key, value)

    def register(self, run_id: str, tags: Mapping[str, str]) -> Version:
        """Register the Keras model that a run logged, with its signature. Raises TrackingError if it logged none."""
        run = self._client.get_run(run_id)
        logged = self._client.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        if not logged:
            raise TrackingError(f"the run {run_id} logged no model, so there is nothing to register. Train it again.")
        model_id = max(logged, key=lambda model: model.creation_timestamp).model_id
        return self._create(run_id, f"models:/{model_id}", tags, model_id)

    def adopt(self, folder: Path, manifest: Manifest) -> Version:
        """Register a Bundle as it is, in a run made for it: it cannot be loaded by MLflow, and has no signature."""
        tags = {"adopted": "true", "model_sha256": manifest.sha256, "dataset": manifest.dataset}
        run_id = self._run_of_adopted(tags)
        self._client.log_artifacts(run_id, str(folder), BUNDLE)
        self._client.set_terminated(run_id)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{BUNDLE}"
        return self._create(run_id, source, tags)

    def fetch(self, version: Version, folder: Path) -> bool:
        """Download a version's Bundle and report as `model` and `report`. False if its run holds no Bundle."""
        held = {artifact.path for artifact in self._client.list_artifacts(version.run_id)}
        for name in (BUNDLE, REPORT):
            if name in held:
                self._client.download_artifacts(version.run_id, name, str(folder))
        if BUNDLE not in held:
            return False
        (folder / BUNDLE).rename(folder / "model")
        return True

    def _run_of_adopted(self, tags: Mapping[str, str]) -> str:
        """The run that holds an adopted Bundle: one that an interrupted adoption left, or a new one."""
        found = self._client.get_experiment_by_name(experiment())
        experiment_id = found.experiment_id if found else self._client.create_experiment(experiment())
        wanted = f"tags.adopted = 'true' and tags.model_sha256 = '{tags['model_sha256']}'"
        for run in self._client.search_runs([experiment_id], wanted):
            return str(run.info.run_id)
        return str(self._client.create_run(experiment_id, tags=dict(tags), run_name="adopted champion").info.run_id)

    def _create(self, run_id: str, source: str, tags: Mapping[str, str], model_id: str | None = None) -> Version:
        if not self._client.search_registered_models(f"name = '{NAME}'"):
            self._client.create_registered_model(NAME)
        # The tags come with the version, so that one without them is never there.
        created = self._client.create_model_version(NAME, source, run_id, dict(tags), model_id=model_id)
        return Version(str(created.version), run_id, dict(tags))

    def _versions(self) -> Iterator[Version]:
        """Every version, the newest first."""
        found = mlflow.search_model_versions(filter_string=f"name = '{NAME}'")
        for version in sorted(found, key=lambda one: int(one.version), reverse=True):
            yield Version(str(version.version), version.run_id, version.tags)

    def _aliases(self) -> dict[str, str]:
        for model in self._client.search_registered_models(f"name = '{NAME}'"):
            return {alias: str(number) for alias, number in model.aliases.items()}
        return {}


@contextlib.contextmanager
def opened() -> Iterator[Registry]:
    """Give the registry of the store that MLFLOW_TRACKING_URI names. Raises TrackingError where MLflow fails."""
    with connected() as client:
        yield Registry(client)
