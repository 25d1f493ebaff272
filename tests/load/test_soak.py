"""A soak, shortened: it is seen to fail on a service that leaks, and its series is written."""

import csv
import subprocess
import sys

from tests.serving import ROOT

DURATION_S = 30


def test_leak_of_memory_and_of_files_fails_the_soak(tmp_path):
    out = tmp_path / "out"
    arguments = [f"--duration={DURATION_S}", f"--out={out}", "--application=tests.load.faulty:leaking()"]
    command = [sys.executable, "-m", "loadtests.soak", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    printed = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "FAILED: memory growth +" in printed, printed
    assert "FAILED: more open files +" in printed, printed
    assert ended.stdout.endswith((out / "verdict.txt").read_text().rpartition("workers, over")[2])
    with (out / "soak.csv").open() as file:
        series = list(csv.DictReader(file))
    assert len(series) == 30
    assert sum(int(point["requests"]) for point in series) > 100
    assert len([name for name in series[0] if name.startswith("resident_mb_")]) == 2
