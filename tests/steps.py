"""The workflows' steps as a runner sees them: a checkout of this repository, make, GitHub's variables, and a `gh`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.serving import ROOT

# Stands in for GitHub's command line: keeps pull requests, issues and releases in a file, and shows them as gh does.
GH = """#!{python}
import json, sys
from pathlib import Path
state = Path("{state}")
kept = json.loads(state.read_text()) if state.exists() else {{"pr": [], "issue": [], "release": []}}
kind, verb, *rest = sys.argv[1:]
options = dict(zip(rest, rest[1:]))
for file in ("--body-file", "--notes-file"):
    if file in options:
        options["--body"] = Path(options[file]).read_text()
if verb == "list":
    head = options.get("--head")
    print(json.dumps([one for one in kept[kind] if head in (None, one["head"])]))
elif verb == "create":
    number = rest[0] if kind == "release" else len(kept[kind]) + 1
    url = f"https://example.org/{{kind}}/{{number}}"
    new = {{"number": number, "url": url, "title": options["--title"], "bodies": [options["--body"]]}}
    new |= {{"head": options.get("--head"), "base": options.get("--base"), "isCrossRepository": "--fork" in rest}}
    kept[kind].append(new)
    print(kept[kind][-1]["url"])
else:
    one = next((one for one in kept[kind] if str(one["number"]) == rest[0]), None)
    if not one:
        sys.exit(f"{{kind}} {{rest[0]}} not found")
    one["base"] = options.get("--base", one["base"])
    one["bodies"].append(options["--body"])
    print(one["url"])
state.write_text(json.dumps(kept))
"""


class Checkout:
    """A copy of the repository with a commit and a remote, in which make runs a workflow's steps."""

    def __init__(self, folder):
        self.root, self.remote, self._bin = folder / "repository", folder / "remote.git", folder / "bin"
        self._output, self._summary, self._state = folder / "output", folder / "summary.md", folder / "gh.json"
        listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        _git(folder, "init", "--quiet", "--bare", str(self.remote))
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("add", "--all")
        self.commit()
        self.git("remote", "add", "origin", str(self.remote))
        self._bin.mkdir()
        (self._bin / "gh").write_text(GH.format(python=sys.executable, state=self._state))
        (self._bin / "gh").chmod(0o755)

    def git(self, *arguments):
        return _git(self.root, *arguments)

    def commit(self):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        self.git(*who, "commit", "--quiet", "--all", "--message", "All")

    def commit_elsewhere(self, name):
        """Change a file in a commit on the remote's main, and check out what was here before."""
        here = self.git("rev-parse", "HEAD")
        self.git("switch", "--quiet", "--detach", "refs/remotes/origin/main")
        with (self.root / name).open("a") as file:
            file.write("\n")
        self.commit()
        self.git("push", "--quiet", "origin", "HEAD:main")
        self.git("switch", "--quiet", "--detach", here)

    def make(self, *arguments, **given):
        """Run make with the variables that GitHub sets and these; the step's outputs are its `outputs`."""
        self._output.write_text("")
        environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS"}}
        environment |= {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "GITHUB_OUTPUT": str(self._output),
            "GITHUB_STEP_SUMMARY": str(self._summary),
            "GITHUB_SERVER_URL": "https://example.org",
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_RUN_ID": "7",
        }
        ended = subprocess.run(
            ["make", *arguments], cwd=self.root, env=environment | given, capture_output=True, text=True, check=False
        )
        ended.outputs = dict(line.split("=", 1) for line in self._output.read_text().splitlines())
        return ended

    @property
    def summary(self):
        return self._summary.read_text() if self._summary.exists() else ""

    def propose_from_a_fork(self, branch):
        """Open a pull request from a stranger's branch. The option --fork is the stand-in's own."""
        options = ["--head", branch, "--base", "main", "--title", "Mine", "--body", "Take this.", "--fork"]
        subprocess.run([self._bin / "gh", "pr", "create", *options], check=True, capture_output=True)

    def on_github(self, kind):
        """The pull requests ("pr"), issues ("issue") or releases ("release") that were opened."""
        return json.loads(self._state.read_text())[kind] if self._state.exists() else []


def _git(folder, *arguments):
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def challenger_in(checkout, version):
    """Put a challenger where the workflow's download leaves it: the champion's files, under another version."""
    folder = Path(checkout.root) / "dist" / "challenger"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("model", "report"):
        shutil.copytree(ROOT / "deploy" / name, folder / name)
    manifest = json.loads((folder / "model" / "manifest.json").read_text()) | {"version": version}
    (folder / "model" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "report" / "comparison.png").unlink()
