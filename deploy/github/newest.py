"""Whether this commit's champion is still the one of the branch. A run that is started again late is not promoted.

Its champion was replaced meanwhile, and the registry's alias would move back. Needs git, and gh with GH_TOKEN.
"""

import sys

from deploy.github.pull_request import LOGIN
from deploy.github.step import StepError, exit_code, given, run

MODEL = "deploy/model"


def main() -> None:
    branch = given("GITHUB_REF_NAME", "the branch that the workflow runs for")
    run("git", *LOGIN, "fetch", "--quiet", "--depth=1", "origin", f"refs/heads/{branch}")
    if run("git", "diff", "--name-only", "HEAD", "FETCH_HEAD", "--", MODEL):
        raise StepError(f"{branch} holds another champion by now, which its own run promotes: this one is not promoted")
    print(f"{MODEL} is what {branch} holds")


if __name__ == "__main__":
    sys.exit(exit_code(main))
