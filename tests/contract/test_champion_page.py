"""docs/CHAMPION.md gives the limits that the Gate holds."""

import re

from tests.serving import ROOT
from training.gate import Policy


def test_page_gives_the_gates_limits():
    page = (ROOT / "docs" / "CHAMPION.md").read_text()
    rows = dict(re.findall(r"^\| ([a-z -]+) \| .* \| ([^|]+) \|$", page, re.M))
    policy = Policy()
    assert rows == {
        "rule": "limit",
        "accuracy": f"{policy.min_accuracy:g}",
        "class recall": f"{policy.min_class_recall:g}",
        "non-inferiority": f"margin {policy.margin:g}, alpha {policy.alpha:g}",
        "corrupted": f"{policy.corrupted_margin:g}",
        "calibration": f"{policy.max_ece:g}",
        "latency": f"{policy.max_latency_ratio:g}",
        "size": f"{policy.max_size_bytes:,} bytes",
    }
