"""The version of a release, and what the changelog says of it.

A tag vX.Y.Z releases X.Y.Z. A champion that is merged is released without a tag, as a pre-release of the next version:
X.Y.Z-champion.N, N being the number of the workflow's run. Standard library only.
"""

import os
import re
import sys

from deploy.github.step import DIST, ROOT, StepError, exit_code, given, output

CHANGELOG = ROOT / "CHANGELOG.md"
CHART = ROOT / "helm" / "mnist-api" / "Chart.yaml"
PROJECT = ROOT / "pyproject.toml"


def written() -> str:
    """The version that pyproject.toml and the chart name. Raises StepError if they disagree."""
    named = {
        "pyproject.toml": re.findall(r'^version = "(.*)"$', PROJECT.read_text(), re.M),
        "Chart.yaml's version": re.findall(r"^version: (.*)$", CHART.read_text(), re.M),
        "Chart.yaml's appVersion": re.findall(r"^appVersion: (.*)$", CHART.read_text(), re.M),
    }
    versions = {version for found in named.values() for version in found}
    if len(versions) != 1 or not re.fullmatch(r"\d+\.\d+\.\d+", *versions):
        raise StepError(f"pyproject.toml and the chart must name one version, X.Y.Z, but: {named}")
    return versions.pop()


def of_tag(tag: str) -> str:
    """The version that a tag releases. Raises StepError unless the repository says the same."""
    if tag != f"v{written()}":
        raise StepError(f"the tag is {tag}, but pyproject.toml and the chart say {written()}: tag v{written()}")
    return written()


def of_champion(number: str) -> str:
    """A pre-release of the version after those that the changelog holds."""
    major, minor, patch = written().split(".")
    coming = f"{major}.{minor}.{int(patch) + 1}" if _section(written()) else written()
    return f"{coming}-champion.{int(number)}"


def notes(version: str) -> str:
    """The changelog's section of a version. Raises StepError if there is none."""
    if section := _section(version):
        return section
    raise StepError(f"CHANGELOG.md says nothing of {version}: turn its heading `## Unreleased` into `## {version}`")


def _section(version: str) -> str:
    found = re.search(rf"^## {re.escape(version)}\b.*?\n(.*?)(?=^## |\Z)", CHANGELOG.read_text(), re.M | re.S)
    return found[1].strip() if found else ""


def main() -> None:
    """Give the version of this run as an output, and write a tag's notes to dist/notes.md."""
    if given("GITHUB_REF_TYPE", "tag or branch, what the workflow runs for") == "tag":
        version = of_tag(given("GITHUB_REF_NAME", "the tag"))
        DIST.mkdir(exist_ok=True)
        (DIST / "notes.md").write_text(f"{notes(version)}\n")
    else:
        version = of_champion(os.environ.get("GITHUB_RUN_NUMBER") or "0")
    output("version", version)


if __name__ == "__main__":
    sys.exit(exit_code(main))
