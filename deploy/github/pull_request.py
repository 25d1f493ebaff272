"""The pull request that proposes a challenger: one at a time, opened or brought up to date.

Takes the Bundle and the report of dist/challenger into deploy/, commits them on a branch of their own from the commit
that is checked out, and shows the report as the pull request's text. Needs git, and gh with GH_TOKEN.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from deploy.github.step import DIST, ROOT, StepError, exit_code, given, run, summarise

BRANCH = "challenger"
PARTS = ("model", "report")
NAME, EMAIL = "github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com"
AUTHOR = ("-c", f"user.name={NAME}", "-c", f"user.email={EMAIL}")
# gh lends git its token for this push: none is stored.
LOGIN = ("-c", "credential.helper=", "-c", "credential.helper=!gh auth git-credential")
LONGEST_TEXT = 60_000  # GitHub takes 65,536 characters


def take(source: Path, target: Path) -> str:
    """Put a challenger's Bundle and report in the champion's place; give its name and version."""
    if missing := [name for name in PARTS if not (source / name).is_dir()]:
        raise StepError(f"{source} holds no {' and no '.join(missing)}: `make challenger` did not pass the Gate")
    for name in PARTS:
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(source / name, target / name)
    manifest = json.loads((target / "model" / "manifest.json").read_text())
    return f"{manifest['name']} {manifest['version']}"


def commit(title: str) -> str:
    """Commit deploy/ on the branch and push it, in place of what was proposed before. Gives the commit."""
    run("git", "switch", "--quiet", "--force-create", BRANCH)
    run("git", "add", "--all", *(f"deploy/{name}" for name in PARTS))
    if not run("git", "diff", "--cached", "--name-only"):
        raise StepError(f"{title} is the champion already: there is nothing to propose")
    run("git", *AUTHOR, "commit", "--quiet", "--message", f"Propose {title} as champion")
    run("git", *LOGIN, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    return run("git", "rev-parse", "HEAD")


def text(report: str, address: str) -> str:
    """A report as a pull request's text: its pictures have no folder there, so they get whole addresses."""
    shown = re.sub(r"\]\((\w+\.png)\)", rf"]({address}/\1?raw=true)", report)
    if len(shown) > LONGEST_TEXT:
        shown = f"{shown[:LONGEST_TEXT]}\n\nThe rest is in deploy/report/report.md."
    return f"{shown}\n\nMerging promotes this model, `git revert` of the merge rolls back: see docs/CHAMPION.md.\n"


def propose(title: str, body: str, base: str) -> str:
    """Open the pull request, or bring the open one up to date, whatever branch that was for; give its address."""
    fields = "number,url,isCrossRepository"
    listed = json.loads(run("gh", "pr", "list", "--head", BRANCH, "--state", "open", "--json", fields))
    # gh lists a fork's branch of that name too: a stranger's commits must not be shown with this report.
    found = [one for one in listed if not one["isCrossRepository"]]
    with tempfile.NamedTemporaryFile("w", suffix=".md") as file:
        file.write(body)
        file.flush()
        named = ("--base", base, "--title", f"Propose {title} as champion", "--body-file", file.name)
        if not found:
            return run("gh", "pr", "create", "--head", BRANCH, *named)
        run("gh", "pr", "edit", str(found[0]["number"]), *named)
        return str(found[0]["url"])


def main() -> None:
    home = f"{given('GITHUB_SERVER_URL', 'where the repository is')}/{given('GITHUB_REPOSITORY', 'owner/name')}"
    base = given("BASE", "the branch to merge into")
    title = take(DIST / "challenger", ROOT / "deploy")
    revision = commit(title)
    report = (ROOT / "deploy" / "report" / "report.md").read_text()
    address = propose(title, text(report, f"{home}/blob/{revision}/deploy/report"), base)
    summarise(f"{title} is proposed: {address}. Its tests start once `Approve workflows to run` is pressed there.")


if __name__ == "__main__":
    sys.exit(exit_code(main))
