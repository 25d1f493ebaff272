"""From archives to a release, on a real registry: what was tested is what ships, and no name changes its meaning."""

import json
import os
import subprocess

import pytest

REVISION = "c" * 40


@pytest.fixture(scope="module")
def given(registry, digests):
    """What the workflows give the steps. The name has a capital, as a GitHub account may."""
    return {
        "REGISTRY": f"{registry}/Owner/mnist-api",
        "REVISION": REVISION,
        "AMD64": digests["amd64"],
        "ARM64": digests["arm64"],
        "WAIT_S": "0",
    }


@pytest.fixture(scope="module")
def published(checkout, given):
    ended = checkout.make("publish-image", **given)
    assert ended.returncode == 0, ended.stderr
    return ended.outputs


def manifest(reference):
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_archive_is_loaded_as_what_it_was(checkout, digests):
    archive = {"ARCHIVE": "dist/image-amd64.tar", "IMAGE": "mnist-api-delivery:loaded"}
    ended = checkout.make("image", **archive, DIGEST=digests["amd64"])
    assert ended.returncode == 0, ended.stderr
    subprocess.run(["docker", "image", "rm", archive["IMAGE"]], stdout=subprocess.DEVNULL, check=True)
    ended = checkout.make("image", **archive, DIGEST=digests["arm64"])
    assert ended.returncode != 0
    assert "another image than the one to be tested" in ended.stderr


def test_commit_without_passed_tests_is_not_there(checkout, given):
    ended = checkout.make("tested-image", **given | {"REVISION": "d" * 40})
    assert ended.returncode != 0
    assert "the tests of that commit have not passed" in ended.stderr
    assert ended.outputs == {}


def test_what_is_published_are_the_archives(checkout, given, digests, published):
    assert published["repository"] == given["REGISTRY"].lower()
    index = manifest(f"{published['repository']}@{published['digest']}")
    architectures = {one["platform"]["architecture"]: one["digest"] for one in index["manifests"]}
    assert architectures == digests
    assert checkout.make("tested-image", **given).outputs == published


def test_publishing_again_changes_nothing(checkout, given, published):
    assert checkout.make("publish-image", **given).outputs == published


def test_archive_that_was_not_tested_is_not_published(checkout, given, digests):
    swapped = {"REVISION": "e" * 40, "AMD64": digests["arm64"]}
    ended = checkout.make("publish-image", **given | swapped)
    assert ended.returncode != 0
    assert f"is not {digests['arm64']}, which was tested" in ended.stderr
    assert checkout.make("tested-image", **given | swapped).returncode != 0


def test_publishing_that_stopped_halfway_is_not_there_and_a_second_run_finishes_it(checkout, given, digests):
    """One processor's image is there by then, under a name of its own."""
    halfway = given | {"REVISION": "f" * 40}
    assert checkout.make("publish-image", **halfway | {"ARM64": digests["amd64"]}).returncode != 0
    assert manifest(f"{given['REGISTRY'].lower()}:{'f' * 40}-amd64")
    assert "have not passed" in checkout.make("tested-image", **halfway).stderr
    ended = checkout.make("publish-image", **halfway)
    assert ended.returncode == 0, ended.stderr
    assert checkout.make("tested-image", **halfway).outputs == ended.outputs


def test_release_names_the_tested_digest_once(checkout, given, digests, published):
    release = {**given, "VERSION": "1.2.3", "DIGEST": published["digest"]}
    for _ in range(2):
        ended = checkout.make("release-image", **release)
        assert ended.returncode == 0, ended.stderr
    assert manifest(f"{published['repository']}:1.2.3") == manifest(f"{published['repository']}@{published['digest']}")
    ended = checkout.make("release-image", **release | {"DIGEST": digests["amd64"]})
    assert ended.returncode != 0
    assert f"1.2.3 is released already, as {published['digest']}" in ended.stderr


def test_chart_of_a_release_names_the_tested_digest(checkout, given, published, tmp_path):
    release = {**given, "VERSION": "1.2.3-champion.4", "DIGEST": published["digest"]}
    first, second = (checkout.make("release-chart", **release) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.outputs == second.outputs, "a chart is pushed once, though its archive differs each time"
    name, _, digest = first.outputs["chart"].partition("@")
    assert manifest(f"{name}@{digest}") == manifest(f"{name}:1.2.3-champion.4")
    helm = [os.environ.get("HELM", "helm"), "template", "mnist", f"oci://{name}", "--version", "1.2.3-champion.4"]
    options = ["--plain-http", "--kube-version", "1.35.0"]
    rendered = subprocess.run([*helm, *options], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert f"image: {published['repository']}@{published['digest']}" in rendered.replace('"', "")


@pytest.mark.parametrize("target", ["publish-image", "tested-image", "release-image", "release-chart"])
def test_registry_that_does_not_answer_stops_at_once(checkout, given, digests, target):
    away = {"REGISTRY": "127.0.0.1:9/owner/mnist-api", "VERSION": "1.2.3", "DIGEST": digests["amd64"]}
    ended = checkout.make(target, **given | away)
    assert ended.returncode != 0
    assert "connection refused" in ended.stderr


@pytest.mark.parametrize("name", ["REGISTRY", "DIGEST", "VERSION"])
def test_step_says_what_it_was_not_given(checkout, given, digests, name):
    release = {**given, "VERSION": "1.2.3", "DIGEST": digests["amd64"], name: ""}
    ended = checkout.make("release-image", **release)
    assert ended.returncode != 0
    assert f"error: {name} is not set" in ended.stderr
