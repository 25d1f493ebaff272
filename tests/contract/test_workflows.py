"""The workflows: they run make alone, are pinned and give no more than they must, and their parts fit together."""

import re
from dataclasses import fields

import pytest
import yaml

from deploy.github.pull_request import PARTS
from deploy.github.registry import ARCHITECTURES
from tests.contract import targets, workflows
from tests.serving import ROOT
from training.config import TrainConfig

WORKFLOWS = {name: workflows.parsed(text) for name, text in workflows.TEXTS.items()}
CHECKS = {
    "run": workflows.run_problems,
    "needs": workflows.needs_problems,
    "outputs": lambda workflow: workflows.outputs_problems(workflow, GIVEN),
    "artifacts": workflows.artifact_problems,
    "files": workflows.file_problems,
    "inputs": workflows.inputs_problems,
    "environment": workflows.env_problems,
}


def outputs_of(module):
    """The outputs that a step's module gives, as it writes them."""
    text = (ROOT / "deploy" / "github" / f"{module}.py").read_text()
    return set(re.findall(r'\boutput\("([\w-]+)"', text))


GIVEN = {
    "make image-archive": set(ARCHITECTURES),
    "make publish-image": outputs_of("registry"),
    "make tested-image": outputs_of("registry"),
    "make release-version": outputs_of("version"),
    "make release-chart": outputs_of("chart"),
    "azure/setup-helm": {"helm-path"},
}


def test_all_four_are_here_and_no_other():
    names = {path.name for path in workflows.FOLDER.iterdir()}
    assert names == {"ci.yml", "nightly.yml", "release.yml", "retrain.yml"}
    assert WORKFLOWS.keys() == {name.removesuffix(".yml") for name in names}


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("check", CHECKS)
def test_parts_fit_together(name, check):
    assert list(CHECKS[check](WORKFLOWS[name])) == []


# By what is wrong: the check that must find it, the workflow, what stands there, what is put in its place, and words of
# the problem.
FAULTS = {
    "a shell line": ("run", "ci", "make lint\n", "ruff check .\n", "not `make X`"),
    "two commands": ("run", "ci", "make lint\n", "make lint; curl http://a\n", "not `make X`"),
    "an expression in a script": ("run", "ci", "make lint\n", 'make lint ARGS="${{ github.ref }}"\n', "not `make X`"),
    "an unknown target": (
        "run",
        "nightly",
        "make audit\n",
        "make audits\n",
        "`make audits`, a target that is not there",
    ),
    "a need of no job": ("needs", "retrain", "needs: train", "needs: training", "training, a job that is not there"),
    "a result that is not needed": (
        *("needs", "release", "needs: [tested, promote]", "needs: promote"),
        "reads of tested, which it does not need",
    ),
    "an output that no job gives": (
        *("needs", "ci", "arm64: ${{ steps.build.outputs.arm64 }}", "arm: ${{ steps.build.outputs.arm64 }}"),
        "reads arm64 of image, which does not give it",
    ),
    "an output that no step gives": (
        *("outputs", "ci", "make image-archive", "make image"),
        "reads amd64 of the step build, which does not give it",
    ),
    "a step without its name": (
        *("outputs", "ci", "- id: publish\n        run", "- run"),
        "reads of the step publish, which is not before it",
    ),
    "an artifact of another name": (
        *("artifacts", "retrain", "name: challenger\n          path: dist", "name: winner\n          path: dist"),
        "downloads winner, which no job before it uploads",
    ),
    "an artifact of one architecture": (
        *("artifacts", "ci", "name: image-${{ matrix.architecture }}", "name: image-amd64"),
        "image-amd64 is uploaded by more than one job",
    ),
    "a pattern that nothing matches": (
        *("artifacts", "ci", "pattern: sbom-*", "pattern: sboms-*"),
        "downloads sboms-*, and no job before it uploads such",
    ),
    "a download that does not wait": (
        *("artifacts", "ci", "cluster\n    needs: image\n", "cluster\n"),
        "e2e downloads image-amd64, which no job before it uploads",
    ),
    "a file that no download brings": (
        *("files", "ci", "ARCHIVE: dist/image-amd64.tar", "ARCHIVE: dist/amd64.tar"),
        "e2e names dist/amd64.tar, which no download puts there",
    ),
    "a download into another folder": (
        *("files", "ci", "pattern: sbom-*\n          path: dist", "pattern: sbom-*\n          path: sboms"),
        "publish names dist/sbom-arm64/sbom.cdx.json, which no download puts there",
    ),
    "an environment that no step reads": (
        *("environment", "retrain", "      ARCH:", "      NETWORK:"),
        "train sets NETWORK, which none of its steps reads",
    ),
    "an environment that its step does not read": (
        *("environment", "ci", "          HELM3:", "          HELM_3:"),
        "e2e gives `make e2e` HELM_3, which it does not read",
    ),
    "a variable that its target does not read": (
        *("environment", "nightly", "TRAIN_SEEDS=", "MANY_SEEDS="),
        "newest gives `make test-mnist` MANY_SEEDS, which it does not read",
    ),
    "a step without what it demands": (
        *("environment", "release", "          REVISION: ${{ github.sha }}\n", ""),
        "tested does not give `make tested-image` REVISION",
    ),
    "a target that runs gh without its token": (
        *("environment", "nightly", "          GH_TOKEN: ${{ github.token }}\n", ""),
        "issue does not give `make issue` GH_TOKEN",
    ),
    "an input that is not declared": (
        *("inputs", "retrain", "      seeds:\n", "      number:\n"),
        "the input seeds is read, but not declared",
    ),
    "an input that is not read": (
        *("inputs", "retrain", "${{ inputs.extra-data }}", "none"),
        "the input extra-data is declared, but not read",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault):
    check, name, there, instead, words = FAULTS[fault]
    assert there in workflows.TEXTS[name]
    spoilt = workflows.parsed(workflows.TEXTS[name].replace(there, instead))
    assert any(words in problem for problem in CHECKS[check](spoilt))


def test_artifacts_land_where_the_steps_read_them():
    archives = {f"dist/image-{architecture}.tar" for architecture in ARCHITECTURES}
    assert archives < workflows.landed(WORKFLOWS["ci"], "publish")
    taken = {f"dist/challenger/{part}" for part in PARTS}
    assert workflows.landed(WORKFLOWS["retrain"], "propose") == taken


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_that_is_started_again_uploads_again(name):
    for _, step in workflows.steps(WORKFLOWS[name]):
        if "upload-artifact" in step.get("uses", ""):
            assert step["with"]["overwrite"] is True
            assert step["with"]["if-no-files-found"] == ("warn" if "always()" in step.get("if", "") else "error")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_caches_follow_the_pinned_requirements_and_release_has_none(name):
    python = [step["with"] for _, step in workflows.steps(WORKFLOWS[name]) if "setup-python@" in step.get("uses", "")]
    assert all((one["cache"], one["cache-dependency-path"]) == ("pip", "requirements/*.txt") for one in python)
    assert (name == "release") == (python == [])


def test_networks_to_choose_from_are_those_that_can_be_trained():
    champions, *networks = WORKFLOWS["retrain"]["on"]["workflow_dispatch"]["inputs"]["arch"]["options"]
    (arch,) = (one for one in fields(TrainConfig) if one.name == "arch")
    assert tuple(networks) == arch.metadata["choices"]
    quoted = champions.replace("'", "''")
    assert f"inputs.arch != '{quoted}'" in WORKFLOWS["retrain"]["jobs"]["train"]["env"]["ARCH"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_with_their_version_beside(name):
    lines = re.findall(r"uses: (.*)$", workflows.TEXTS[name], re.M)
    assert lines
    for line in lines:
        assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_pin():
    pins = {}
    for text in workflows.TEXTS.values():
        for action, pin in re.findall(r"uses: (\S+)@(.*)$", text, re.M):
            pins.setdefault(action, set()).add(pin)
    assert len(pins) > 5
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_allowed_but_what_a_job_says_and_why(name):
    assert WORKFLOWS[name]["permissions"] == {}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["permissions"]
    widenings = re.findall(r"^ {6}[a-z-]+: (?:read|write)(.*)$", workflows.TEXTS[name], re.M)
    assert len(widenings) == sum(len(job["permissions"]) for job in WORKFLOWS[name]["jobs"].values())
    assert all(re.fullmatch(r" # to .+", reason) for reason in widenings)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_job_ends_and_runs_on_a_pinned_runner(name):
    assert "concurrency" in WORKFLOWS[name]
    for job in WORKFLOWS[name]["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 350
        for leg in workflows.legs(job) or [{}]:
            runner = job["runs-on"].replace("${{ matrix.runner }}", leg.get("runner", ""))
            assert runner in {"ubuntu-24.04", "ubuntu-24.04-arm"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_secret_outlives_a_run(name):
    assert "secrets." not in workflows.TEXTS[name]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_people_read_on_the_runs_page_what_came_of_it(name):
    made = [workflows.MAKE.fullmatch(step["run"])[1] for _, step in workflows.steps(WORKFLOWS[name]) if "run" in step]
    assert any(targets.summarises(target) for target in made)


def test_result_waits_for_every_job_that_tests():
    assert {*workflows.needs_of(WORKFLOWS["ci"]["jobs"]["result"]), "result", "publish"} == WORKFLOWS["ci"][
        "jobs"
    ].keys()
    assert {*workflows.needs_of(WORKFLOWS["nightly"]["jobs"]["issue"]), "issue"} == WORKFLOWS["nightly"]["jobs"].keys()


def test_what_is_published_waits_for_the_result():
    assert "result" in workflows.needs_of(WORKFLOWS["ci"]["jobs"]["publish"])
    assert WORKFLOWS["release"]["jobs"]["promote"]["environment"] == "production"
    assert "promote" in workflows.needs_of(WORKFLOWS["release"]["jobs"]["release"])
    *_, newest, promote = WORKFLOWS["release"]["jobs"]["promote"]["steps"]
    assert (newest["run"], promote["run"]) == ("make newest-champion", "make promote")
    assert newest["if"] == promote["if"]


def test_updates_wait_a_week():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"github-actions", "pip", "docker-compose"}
    for one in updates:
        assert one["cooldown"]["default-days"] >= 7
        assert (ROOT / one["directory"].strip("/")).is_dir()
