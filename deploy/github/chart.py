"""The chart of a release: it names the image by the digest that was tested, and is pushed once.

Writes dist/mnist-api-VERSION.tgz and pushes it to REGISTRY/charts. Needs helm and skopeo.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.github.registry import found, is_plain, repository
from deploy.github.step import DIST, ROOT, StepError, digest, exit_code, given, output, run, summarise

CHART = ROOT / "helm" / "mnist-api"
HELM = os.environ.get("HELM") or "helm"


def package(name: str, version: str, image_digest: str) -> Path:
    """Write the chart of a version, whose default image is this one. Gives its file."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(CHART, Path(folder) / CHART.name))
        values = copy / "values.yaml"
        text = re.sub(r"(?m)^  repository: mnist-api$", f"  repository: {name}", values.read_text(), count=1)
        text = re.sub(r'(?m)^  digest: ""$', f"  digest: {image_digest}", text, count=1)
        values.write_text(text)
        # Not appVersion: the code's version is what the image says it is.
        run(HELM, "package", str(copy), "--version", version, "--destination", str(DIST))
    archive = DIST / f"{CHART.name}-{version}.tgz"
    # As on a cluster of today, whatever this helm takes for one.
    rendered = run(HELM, "template", "release", str(archive), "--kube-version", "1.35.0")
    if f"image: {name}@{image_digest}" not in rendered.replace('"', ""):
        raise StepError(f"{archive} does not name {name}@{image_digest}: values.yaml has changed its form")
    return archive


def main() -> None:
    """Package and push, unless this version is there: a release does not change."""
    name, version, image_digest = repository(), given("VERSION", "the version to release"), digest("DIGEST")
    archive = package(name, version, image_digest)
    reference = f"{name}/charts/{CHART.name}:{version}"
    if not found(reference):
        plain = ["--plain-http"] if is_plain(name) else []
        run(HELM, "push", str(archive), f"oci://{name}/charts", *plain)
    at = found(reference)
    if at is None:
        raise StepError(f"{reference} was pushed, but is not there")
    output("chart", f"{name}/charts/{CHART.name}@{at}")
    summarise(f"The chart oci://{name}/charts/{CHART.name} {version} is {at}, and names that image.")


if __name__ == "__main__":
    sys.exit(exit_code(main))
