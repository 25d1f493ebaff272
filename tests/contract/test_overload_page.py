"""The page on overload shows what was measured, and names commands and settings that there are."""

import json
import re

from app.config import Settings
from loadtests import overload, overload_page
from tests.serving import ROOT
from training import pages


def test_the_page_shows_what_was_measured():
    measured = json.loads(overload.RESULTS.read_text())
    assert pages.shown(overload_page.PAGE, overload_page.BEGIN) == overload_page.table(measured)
    assert overload.RESULTS.with_suffix(".svg").exists()


def test_commands_and_settings_of_the_page_are_there():
    page = overload_page.PAGE.read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    assert {"overload", "hostile", "faults", "soak"} <= set(re.findall(r"`make ([a-z0-9-]+)", page)) <= targets
    known = {f"MNIST_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert set(re.findall(r"`(MNIST_\w+)`", page)) <= known
