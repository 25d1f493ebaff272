"""A visit to the page: a browser's context with hands that draw, and a record of what must not happen."""

import os
import shutil
from contextlib import contextmanager
from time import monotonic
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import expect, sync_playwright

from tests.drawing import STROKES
from tests.serving import ROOT

SCREENS = {
    "desktop": {"viewport": {"width": 1040, "height": 740}},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
SHOTS = ROOT / "runs" / "page"  # where screenshots are kept
# Reported by the browser itself, so that nothing that the page does can hide it.
WATCH_POLICY = "document.addEventListener('securitypolicyviolation', (event) => console.error(event.violatedDirective))"
RIGHT, WRONG = "That\u2019s right", "That\u2019s wrong"
# A browser tells the console of each answer that is an error, whatever the page makes of it.
REFUSED = "Failed to load resource"
TIMEOUT_S = 30  # for what comes within a second, on a machine that does other things
expect.set_options(timeout=TIMEOUT_S * 1000)


@contextmanager
def chromium():
    """Run the Chromium, or another of its kind, that CHROMIUM names."""
    path = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    # Without its sandbox as root, as whom containers run it: it would not start.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class Visit:
    """A page, open in a context of its own, of which the script shows what the selector `shown` finds."""

    def __init__(self, context, address, shown):
        self.folder = urljoin(address, ".")
        self.problems = []
        self.page = context.new_page()
        self._browser = context.new_cdp_session(self.page)  # for fingers and pens, which Playwright has not
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._asked)
        self.page.add_init_script(WATCH_POLICY)
        self.page.goto(address)
        expect(self.find(shown).first).to_be_visible()

    def _heard(self, message):
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def _asked(self, request):
        if urlsplit(request.url).scheme not in {"data", "blob"} and not request.url.startswith(self.folder):
            self.problems.append(f"a request to {request.url}")

    def find(self, selector):
        return self.page.locator(selector)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def allow_refusals(self):
        """Forget that requests were refused, which a test wanted to see, and nothing else."""
        self.problems = [one for one in self.problems if not one.startswith(REFUSED)]

    def strokes(self, digit):
        """The strokes of a digit as lists of points on the screen, in the middle of the pad."""
        return [self.on_pad(stroke) for stroke in STROKES[digit]]

    def on_pad(self, stroke):
        """Where on the screen the points of a stroke are, which is in a box of width and height 1."""
        box = self.find("#pad").bounding_box()
        return [
            (box["x"] + box["width"] * (0.2 + 0.6 * x), box["y"] + box["height"] * (0.15 + 0.7 * y)) for x, y in stroke
        ]

    def draw(self, digit, by="mouse"):
        for stroke in self.strokes(digit):
            if by == "mouse":
                self.hold(stroke)
                self.page.mouse.up()
            else:
                self.touch("touchStart", stroke[0])
                for point in stroke[1:]:
                    self.touch("touchMove", point)
                self.touch("touchEnd")

    def hold(self, stroke):
        """Draw a stroke by mouse, and keep its button down."""
        self.page.mouse.move(*stroke[0])
        self.page.mouse.down()
        for point in stroke[1:]:
            self.page.mouse.move(*point, steps=2)

    def draw_by_pen(self, digit, force):
        """Draw with a pen that is pressed as hard as `force`, 0 to 1, says."""
        pen = {"pointerType": "pen", "button": "left", "force": force, "clickCount": 1}
        for stroke in self.strokes(digit):
            self._send("Input.dispatchMouseEvent", "mousePressed", **_point(stroke[0]), **pen)
            for point in stroke[1:]:
                self._send("Input.dispatchMouseEvent", "mouseMoved", **_point(point), **pen, buttons=1)
            self._send("Input.dispatchMouseEvent", "mouseReleased", **_point(stroke[-1]), **pen)

    def touch(self, kind, *points):
        """Have fingers at these points of the screen."""
        self._send("Input.dispatchTouchEvent", kind, touchPoints=[_point(one) for one in points])

    def _send(self, method, kind, **parameters):
        self._browser.send(method, {"type": kind, **parameters})

    def expect_reading(self, digit):
        """Wait until the newest drawing has its answer, and it is this one."""
        expect(self.find("#spoken")).to_contain_text(f"The model reads {'an' if digit == 8 else 'a'} {digit},")
        expect(self.find("#digit")).to_have_text(str(digit))

    def expect_notice(self, text):
        expect(self.find("#notice")).to_contain_text(text)

    def until(self, holds):
        """Look until something holds that the browser's events bring about: they are told while it is asked."""
        deadline = monotonic() + TIMEOUT_S
        while not holds():
            assert monotonic() < deadline
            self.page.evaluate("0")

    def shot(self, name):
        """Keep a screenshot."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True, animations="disabled")


def _point(point):
    return {"x": point[0], "y": point[1]}
