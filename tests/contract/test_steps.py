"""The workflows' steps that need no registry: the pull request, the issue, the result, and a release's version."""

import json
import re

import pytest

from tests.serving import ROOT
from tests.steps import Checkout, challenger_in

PASSED = json.dumps({"lint": {"result": "success"}, "test": {"result": "success", "outputs": {}}})


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def propose(checkout, base="main"):
    return checkout.make("pull-request", BASE=base)


def test_challenger_becomes_a_pull_request_with_the_report_as_its_text(checkout):
    challenger_in(checkout, "2030.01.01-aaaaaaaa")
    ended = propose(checkout)
    assert ended.returncode == 0, ended.stderr
    (request,) = checkout.on_github("pr")
    assert (request["head"], request["base"]) == ("challenger", "main")
    assert request["title"] == "Propose cnn_mnist 2030.01.01-aaaaaaaa as champion"
    commit = checkout.git("rev-parse", "HEAD")
    assert "## Gate" in request["bodies"][0]
    pictures = re.findall(r"\]\((.*\.png.*)\)", request["bodies"][0])
    assert pictures
    assert all(one.startswith(f"https://example.org/owner/name/blob/{commit}/deploy/report/") for one in pictures)
    changed = checkout.git("diff", "--name-only", "main", commit).split()
    assert changed == ["deploy/model/manifest.json", "deploy/report/comparison.png"]
    assert checkout.git("ls-remote", "origin", "refs/heads/challenger").split()[0] == commit
    assert request["url"] in checkout.summary


def test_second_challenger_takes_the_place_of_the_first(checkout):
    for version in ("2030.01.01-aaaaaaaa", "2030.02.01-bbbbbbbb"):
        checkout.git("switch", "--quiet", "--discard-changes", "main")
        challenger_in(checkout, version)
        assert propose(checkout).returncode == 0
    (request,) = checkout.on_github("pr")
    assert len(request["bodies"]) == 2
    commit = checkout.git("ls-remote", "origin", "refs/heads/challenger").split()[0]
    assert json.loads(checkout.git("show", f"{commit}:deploy/model/manifest.json"))["version"] == "2030.02.01-bbbbbbbb"
    assert checkout.git("rev-parse", f"{commit}^") == checkout.git("rev-parse", "main")


def test_challenger_of_another_branch_is_proposed_to_that_branch(checkout):
    """Merged into main, it would bring what else that branch holds."""
    for version, base in (("2030.01.01-aaaaaaaa", "main"), ("2030.02.01-bbbbbbbb", "more-images")):
        checkout.git("switch", "--quiet", "--discard-changes", "main")
        challenger_in(checkout, version)
        assert propose(checkout, base).returncode == 0
    (request,) = checkout.on_github("pr")
    assert request["base"] == "more-images"


def test_pull_request_from_a_fork_is_left_alone(checkout):
    """Its branch has the same name, and whoever reads the report there might merge a stranger's commits."""
    checkout.propose_from_a_fork("challenger")
    challenger_in(checkout, "2030.01.01-aaaaaaaa")
    assert propose(checkout).returncode == 0
    stranger, own = checkout.on_github("pr")
    assert stranger["bodies"] == ["Take this."]
    assert "## Gate" in own["bodies"][0]


def test_nothing_is_pushed_that_cannot_be_proposed(checkout):
    challenger_in(checkout, "2030.01.01-aaaaaaaa")
    ended = propose(checkout, base="")
    assert ended.returncode != 0
    assert "BASE is not set" in ended.stderr
    assert checkout.git("ls-remote", "origin") == ""


def test_without_a_challenger_nothing_is_proposed(checkout):
    ended = propose(checkout)
    assert ended.returncode != 0
    assert "holds no model and no report: `make challenger` did not pass the Gate" in ended.stderr
    assert checkout.on_github("pr") == []


def test_champion_is_not_proposed_again(checkout):
    challenger_in(checkout, "x")
    checkout.git("checkout", "--quiet", "main")
    for name in ("model/manifest.json", "report/comparison.png"):
        (checkout.root / "dist" / "challenger" / name).write_bytes((ROOT / "deploy" / name).read_bytes())
    ended = propose(checkout)
    assert ended.returncode != 0
    assert "is the champion already: there is nothing to propose" in ended.stderr
    assert checkout.git("ls-remote", "origin") == ""


def test_champion_that_was_replaced_meanwhile_is_not_promoted(checkout):
    """As where a release is started again after the next one: its commit is checked out, and main is further on."""
    given = {"GITHUB_REF_NAME": "main", "GH_TOKEN": "a"}
    checkout.git("push", "--quiet", "origin", "main")
    assert checkout.make("newest-champion", **given).returncode == 0
    for name, stops in (("README.md", False), ("deploy/model/manifest.json", True)):
        checkout.commit_elsewhere(name)
        ended = checkout.make("newest-champion", **given)
        assert (ended.returncode != 0, "main holds another champion by now" in ended.stderr) == (stops, stops)


def test_branch_that_cannot_be_asked_stops_promotion(checkout):
    ended = checkout.make("newest-champion", GITHUB_REF_NAME="gone", GH_TOKEN="a")
    assert ended.returncode != 0
    assert "find remote ref" in ended.stderr


def test_result_is_success_only_if_every_job_succeeded(checkout):
    assert checkout.make("result", NEEDS=PASSED).returncode == 0
    assert "| lint | success |" in checkout.summary


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped"])
def test_result_fails_by_name(checkout, result):
    needs = json.dumps({"lint": {"result": "success"}, "e2e": {"result": result}})
    ended = checkout.make("result", NEEDS=needs)
    assert ended.returncode != 0
    assert "not passed: e2e" in ended.stderr
    assert f"| e2e | {result} |" in checkout.summary


@pytest.mark.parametrize(("needs", "words"), [("{}", "names no job"), ("", "NEEDS is not set"), ("[1]", "is not what")])
def test_no_job_is_no_success(checkout, needs, words):
    ended = checkout.make("result", NEEDS=needs)
    assert ended.returncode != 0
    assert words in ended.stderr


def test_bad_nights_have_one_issue(checkout):
    needs = json.dumps({"soak": {"result": "failure"}, "fuzz": {"result": "success"}})
    assert checkout.make("issue", NEEDS=PASSED).returncode == 0
    assert checkout.on_github("issue") == []
    for _ in range(2):
        assert checkout.make("issue", NEEDS=needs).returncode != 0
    (issue,) = checkout.on_github("issue")
    assert issue["title"] == "The nightly checks fail"
    assert len(issue["bodies"]) == 2
    assert issue["bodies"][0].startswith("soak: see https://example.org/owner/name/actions/runs/7\n")


def version(checkout, **given):
    return checkout.make("release-version", **given)


def released(checkout):
    """Give the changelog a section of the version."""
    path = checkout.root / "CHANGELOG.md"
    path.write_text(path.read_text().replace("## Unreleased", "## 0.1.0 (2030-01-01)"))


def test_tag_releases_what_the_repository_says(checkout):
    released(checkout)
    ended = version(checkout, GITHUB_REF_TYPE="tag", GITHUB_REF_NAME="v0.1.0")
    assert ended.outputs == {"version": "0.1.0"}
    notes = (checkout.root / "dist" / "notes.md").read_text()
    assert notes.startswith("- Train the original MLP")
    assert "##" not in notes


@pytest.mark.parametrize(
    ("tag", "words"), [("v0.2.0", "tag v0.1.0"), ("v0.1.0", "turn its heading `## Unreleased` into `## 0.1.0`")]
)
def test_tag_that_disagrees_with_the_repository_is_refused(checkout, tag, words):
    ended = version(checkout, GITHUB_REF_TYPE="tag", GITHUB_REF_NAME=tag)
    assert ended.returncode != 0
    assert words in ended.stderr
    assert words in checkout.summary
    assert ended.outputs == {}


def test_notes_are_shown_once_and_again_after_a_change(checkout):
    for section in ("First words.", "Better words."):
        (checkout.root / "dist").mkdir(exist_ok=True)
        (checkout.root / "dist" / "notes.md").write_text(section)
        assert checkout.make("release-notes", GITHUB_REF_NAME="v0.1.0").returncode == 0
    (release,) = checkout.on_github("release")
    assert (release["number"], release["bodies"]) == ("v0.1.0", ["First words.", "Better words."])


def test_chart_of_another_version_is_refused(checkout):
    chart = checkout.root / "helm" / "mnist-api" / "Chart.yaml"
    chart.write_text(chart.read_text().replace("appVersion: 0.1.0", "appVersion: 0.2.0"))
    ended = version(checkout, GITHUB_REF_TYPE="tag", GITHUB_REF_NAME="v0.1.0")
    assert "must name one version" in ended.stderr


def test_champion_is_a_prerelease_of_the_coming_version(checkout):
    given = {"GITHUB_REF_TYPE": "branch", "GITHUB_RUN_NUMBER": "12"}
    assert version(checkout, **given).outputs == {"version": "0.1.0-champion.12"}
    released(checkout)
    assert version(checkout, **given).outputs == {"version": "0.1.1-champion.12"}
