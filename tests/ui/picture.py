"""Take the README's picture of the page: `make page-picture`. A real service reads a drawing that it is not sure of."""

import sys
from math import cos, radians, sin
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.serving import ROOT, Server
from tests.ui.visit import SCREENS, SHOTS, Visit, chromium

PICTURE = ROOT / "docs" / "page.png"
# A 3 whose upper half is closed, nearly an 8: part of an ellipse before its stroke, in the same box.
CLOSING = [(0.45 + 0.3 * cos(radians(turn)), 0.25 + 0.25 * sin(radians(turn))) for turn in range(-240, -150, 5)]
COLOURS = 64  # what the page needs of them, its soft edges included


def take(path: Path) -> None:
    """Draw, wait for the answer, and write the picture."""
    service = Server(workers=1)
    try:
        with chromium() as browser:
            here = Visit(browser.new_context(**SCREENS["desktop"]), f"http://127.0.0.1:{service.port}/", "#bars li")
            here.hold([*here.on_pad(CLOSING), *here.strokes(3)[0]])
            here.page.mouse.up()
            expect(here.find("#spoken")).to_contain_text("The model reads")
            here.shot("picture")
    finally:
        service.stop()
    Image.open(SHOTS / "picture.png").convert("RGB").quantize(COLOURS).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    take(PICTURE)
