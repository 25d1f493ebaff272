"""The page for everyone: by keyboard, for screen readers, in the dark, on small screens, without motion."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.ui.visit import RIGHT, SCREENS, WRONG

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
FOCUSED = """[document.activeElement].map((one) => one.getAttribute("aria-label") || one.textContent || one.id)[0]"""


def audit(here):
    """What axe says of the page as it is now."""
    found = Axe().run(here.page, options=RULES).response
    assert {"color-contrast", "label", "button-name", "target-size"} <= {one["id"] for one in found["passes"]}
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(visit, screen, scheme):
    here = visit(screen, color_scheme=scheme, reduced_motion="reduce")
    assert audit(here) == []
    here.shot(f"{screen}-{scheme}-empty")
    here.draw(9, "touch" if screen == "phone" else "mouse")
    here.expect_reading(9)
    assert audit(here) == []
    here.shot(f"{screen}-{scheme}")
    here.press(WRONG)
    assert audit(here) == []


def test_everything_is_reached_by_keyboard(visit):
    here = visit()
    press = here.page.keyboard.press
    samples = [f"Sample of the digit {digit}" for digit in range(10)]
    assert [tab(here) for _ in range(12)] == ["For programs", "file", *samples]
    for _ in range(3):
        press("Shift+Tab")
    press("Enter")
    here.expect_reading(6)
    reached = [tab(here, "Shift+Tab") for _ in range(12)]
    assert reached == [*samples[5::-1], "Copy as curl", WRONG, RIGHT, "file", "Clear", "Undo"]
    for _ in range(4):
        press("Tab")
    press("Enter")
    press("Tab")
    press("Space")
    here.expect_notice("Thank you. Counted: a 1, read as a 6.")
    # What was pressed is gone; the focus is not.
    assert here.page.evaluate(FOCUSED) == "Copy as curl"
    press("Control+z")
    expect(here.find("#digit")).to_have_text("?")


def tab(here, key="Tab"):
    """Go to the next control; give its name. It must be seen that the focus is there."""
    here.page.keyboard.press(key)
    assert here.page.evaluate(
        """() => {
            const focused = document.activeElement;
            const shown = focused.id === "file" ? document.querySelector("label[for=file]") : focused;
            return getComputedStyle(shown).outlineStyle === "solid" && shown.getBoundingClientRect().width > 20;
        }"""
    )
    return here.page.evaluate(FOCUSED)


def test_focus_on_the_samples_stays_after_each(visit):
    here = visit()
    here.page.get_by_role("button", name="Sample of the digit 7").focus()
    here.page.keyboard.press("Enter")
    here.expect_reading(7)
    assert here.page.evaluate(FOCUSED) == "Sample of the digit 7"


def test_unsure_answer_is_said_with_the_second_digit(visit, service):
    """Half a 4 and half a 9: the words name both."""
    here = visit()
    _, first = service.request("GET", "/example?digit=4")
    _, second = service.request("GET", "/example?digit=9")
    mixed = [(one + other) / 2 for one, other in zip(first["image"], second["image"], strict=True)]
    here.page.route("**/example*", lambda route: route.fulfill(json={"image": mixed}))
    here.press("Sample of the digit 4")
    expect(here.find("#spoken")).to_contain_text("or a ")


def test_dark_is_dark(visit):
    grounds = [
        visit(color_scheme=scheme).find("body").evaluate("body => getComputedStyle(body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    brightness = [sum(int(part) for part in ground[4:-1].split(", ")) / 3 for ground in grounds]
    assert brightness[0] > 200
    assert brightness[1] < 50


def test_nothing_moves_for_who_wants_no_motion(visit):
    durations = {
        motion: visit(reduced_motion=motion)
        .find("#bars .track span")
        .first.evaluate("bar => getComputedStyle(bar).transitionDuration")
        for motion in ("reduce", "no-preference")
    }
    assert durations == {"reduce": "0s", "no-preference": "0.15s"}


@pytest.mark.parametrize("width", [320, 360, 768, 1040, 1600])
def test_no_screen_is_too_narrow(visit, width):
    here = visit(viewport={"width": width, "height": 700})
    here.draw(5)
    here.expect_reading(5)
    here.press(WRONG)
    assert here.page.evaluate("document.documentElement.scrollWidth") == width
    outside = "all => all.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML)"
    assert here.find("main *:not(.unseen)").evaluate_all(outside) == []


def test_phone_shows_the_bars_beside_the_hand_that_draws(visit):
    """On a screen of 390 x 664, which a phone's browser leaves of 390 x 844."""
    here = visit("phone", viewport={"width": 390, "height": 664})
    here.draw(5, "touch")
    here.expect_reading(5)
    box = here.find("#bars").bounding_box()
    assert box["y"] + box["height"] <= 664
