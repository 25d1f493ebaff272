"""The result of a workflow's jobs: a table on the run's page, one exit code, and for a night one issue.

`python -m deploy.github.result` takes NEEDS, GitHub's `toJSON(needs)`. With --issue, jobs that did not succeed open the
issue named by TITLE, or are told in the one that is open; that needs gh with GH_TOKEN.
"""

import json
import os
import sys

from deploy.github.step import StepError, exit_code, given, run, summarise

TITLE = "The nightly checks fail"


def results() -> dict[str, str]:
    """Each job's result. Raises StepError if there is none: no job is no success."""
    try:
        found = {name: str(job["result"]) for name, job in json.loads(given("NEEDS", "toJSON(needs)")).items()}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise StepError(f"NEEDS is not what toJSON(needs) gives: {error!r}") from error
    if not found:
        raise StepError("NEEDS names no job, so nothing was tested")
    return found


def table(found: dict[str, str]) -> str:
    rows = "\n".join(f"| {name} | {result} |" for name, result in found.items())
    return f"| job | result |\n| --- | --- |\n{rows}\n"


def tell(text: str) -> str:
    """Open the issue, or comment on the open one; give its address."""
    listed = json.loads(run("gh", "issue", "list", "--state", "open", "--limit", "500", "--json", "number,title"))
    for issue in listed:
        if issue["title"] == TITLE:
            return run("gh", "issue", "comment", str(issue["number"]), "--body", text)
    return run("gh", "issue", "create", "--title", TITLE, "--body", text)


def address() -> str:
    """Where this run can be read."""
    server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
    return f"{server}/{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"


def main(*, issue: bool) -> int:
    """Give 0 if every job succeeded, else 1. A job that was skipped or cancelled proved nothing."""
    found = results()
    summarise(table(found))
    failed = [name for name, result in found.items() if result != "success"]
    if failed and issue:
        print(tell(f"{', '.join(failed)}: see {address()}\n\n{table(found)}"))
    if failed:
        print(f"not passed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(issue="--issue" in sys.argv[1:])))
