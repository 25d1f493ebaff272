"""The runbook holds every alert, in one form; its commands are whole and its queries are PromQL.

That the commands do what they say is seen on a real cluster, by the end-to-end test.
"""

import re
import subprocess

import pytest
import yaml

from tests.alerts.rules import ALERTS, run
from tests.serving import ROOT

RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
SETUP, *_SECTIONS = re.split(r"^## ", RUNBOOK, flags=re.M)
SECTIONS = dict(section.split("\n", 1) for section in _SECTIONS)


def blocks(text):
    return re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)


def test_headings_are_the_alerts():
    assert list(SECTIONS) == list(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_told_in_the_same_form(alert):
    assert re.findall(r"^\*\*(\w+)\.\*\*", SECTIONS[alert], re.M) == ["Meaning", "Impact", "Diagnose", "Mend"]
    assert blocks(SECTIONS[alert].partition("**Diagnose.**")[2].partition("**Mend.**")[0])


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(#(.*?)\)", RUNBOOK)
    assert targets
    assert set(targets) <= {alert.lower() for alert in ALERTS}


def test_commands_are_bash_and_use_no_other_variables_than_those_set_at_the_top():
    (setup,) = blocks(SETUP)
    known = set(re.findall(r"\b([A-Z]+)=", setup))
    for block in blocks(RUNBOOK):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
        assert set(re.findall(r"\$\{?([A-Z]+)", block)) <= known


def test_queries_are_promql(tmp_path):
    queries = re.findall(r'--data-urlencode "query=(.*)"', RUNBOOK)
    assert len(queries) == RUNBOOK.count("curl ")
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$JOB", "job='mnist-api'")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}))
    run("promtool", "check", "rules", str(path))
