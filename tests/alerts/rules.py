"""The rules file, and how promtool and helm are run."""

import subprocess

import yaml

from tests.serving import ROOT

RULES = ROOT / "helm" / "mnist-api" / "files" / "alerts.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}


def run(*command):
    """Run a command; give what it said, or fail with it."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
