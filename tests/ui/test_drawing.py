"""Drawing on the page in a real browser: what is read, what moves meanwhile, what is asked of the service."""

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize(("screen", "by"), [("desktop", "mouse"), ("phone", "touch")])
def test_drawn_digit_is_read(visit, screen, by, digit):
    here = visit(screen)
    here.draw(digit, by)
    here.expect_reading(digit)
    expect(here.find("#bars .best .name")).to_have_text(str(digit))
    here.shot(f"{screen}-{digit}")


def test_pen_draws_wider_where_it_is_pressed_harder(visit):
    here = visit()
    ink = []
    for force in (0.2, 0.9):
        here.draw_by_pen(7, force)
        here.expect_reading(7)
        ink.append(here.find("#pad").evaluate(COUNT_INK))
        here.press("Clear")
    assert ink[1] > 1.3 * ink[0] > 0


# Read from a copy: Chromium warns of a canvas that is read often.
COUNT_INK = """canvas => {
    const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0, 300, 150);
    return copy.getImageData(0, 0, 300, 150).data.filter((value, index) => index % 4 === 3 && value > 0).length;
}"""


def holding_the_first(here):
    """Hold back the first question; give the list of all that were asked, and that of the one which is held."""
    asked, held = [], []

    def handle(route):
        asked.append(route.request)
        if len(asked) == 1:
            held.append(route)
        else:
            route.continue_()

    here.page.route("**/predict*", handle)
    return asked, held


def test_bars_move_while_the_pen_is_down_and_a_screen_reader_hears_the_end(visit):
    """Of the two answers the second is about all that was drawn; but the pen is still down."""
    here = visit()
    _, held = holding_the_first(here)
    here.hold(here.strokes(3)[0])
    here.until(lambda: held)
    held[0].continue_()
    expect(here.find("#digit")).to_have_text("3")
    expect(here.find("#bars .best .name")).to_have_text("3")
    assert here.find("#spoken").text_content() == ""
    expect(here.find("#right")).not_to_be_visible()
    here.page.mouse.up()
    here.expect_reading(3)
    expect(here.find("#right")).to_be_visible()


def test_one_request_is_under_way_and_the_newest_drawing_is_next(visit):
    here = visit()
    asked, held = holding_the_first(here)
    here.draw(4)
    here.until(lambda: held)
    # However much was drawn meanwhile.
    assert len(asked) == 1
    held[0].continue_()
    here.expect_reading(4)
    assert len(asked) == 2
    assert {request.headers["content-type"] for request in asked} == {"image/png"}


def test_what_the_model_saw_is_shown_with_time_and_version(visit, service):
    here = visit()
    here.draw(2)
    here.expect_reading(2)
    seen = here.find("#seen")
    assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    expect(here.find("#latency")).to_contain_text("Answered in ")
    expect(here.find("#model")).to_have_text(service.request("GET", "/model")[1]["version"])


def test_undo_takes_back_a_stroke_and_clear_all(visit):
    here = visit()
    for name in ("Undo", "Clear"):
        expect(here.page.get_by_role("button", name=name)).to_be_disabled()
    empty = pixels(here)
    here.draw(4)
    here.expect_reading(4)
    here.press("Undo")
    expect(here.find("#pad")).to_have_attribute("aria-label", "Drawing area, 1 stroke")
    assert pixels(here) not in (empty, None)
    here.press("Clear")
    assert pixels(here) == empty
    expect(here.find("#digit")).to_have_text("?")
    expect(here.find("#right")).not_to_be_visible()
    here.page.keyboard.press("Control+z")
    expect(here.find("#pad")).to_have_attribute("aria-label", "Drawing area, 1 stroke")
    here.hold(here.strokes(4)[1])
    here.page.mouse.up()
    here.expect_reading(4)
    for _ in range(3):
        here.page.keyboard.press("Control+z")
    expect(here.page.get_by_role("button", name="Undo")).to_be_disabled()
    assert pixels(here) == empty


def pixels(here):
    return here.find("#pad").evaluate("canvas => canvas.toDataURL()")


def test_answer_that_comes_after_clear_is_not_shown(visit):
    here = visit()
    here.page.route("**/predict*", lambda _: None)  # it is never answered
    with here.page.expect_request("**/predict*"):
        here.draw(1)
    with here.page.expect_event("requestfailed", timeout=5000):  # the page hung up, and not because it waited too long
        here.press("Clear")
    expect(here.find("#digit")).to_have_text("?")
    expect(here.find("#notice")).to_be_empty()
    here.page.unroute("**/predict*")
    here.draw(7)
    here.expect_reading(7)


def test_other_buttons_and_a_second_finger_draw_nothing(visit):
    here = visit("phone")
    box = here.find("#pad").bounding_box()
    one, other, end = ((box["x"] + place, box["y"] + place) for place in (50, 150, 250))
    here.page.mouse.move(*one)
    here.page.mouse.down(button="right")
    here.page.mouse.move(*other)
    here.page.mouse.up(button="right")
    expect(here.find("#pad")).to_have_attribute("aria-label", "Drawing area, empty")
    here.touch("touchStart", one)
    here.touch("touchStart", one, other)
    here.touch("touchMove", end, other)
    here.touch("touchEnd")
    expect(here.find("#pad")).to_have_attribute("aria-label", "Drawing area, 1 stroke")


def test_finger_on_the_pad_does_not_scroll(visit):
    """It draws upwards, which elsewhere on the page would pull up what is below."""
    here = visit("phone", viewport={"width": 320, "height": 480})
    top, bottom = here.strokes(1)[0]
    here.touch("touchStart", bottom)
    for step in range(1, 11):
        here.touch("touchMove", (bottom[0], bottom[1] + (top[1] - bottom[1]) * step / 10))
    here.touch("touchEnd")
    here.expect_reading(1)
    assert here.page.evaluate("scrollY") == 0
    assert here.page.evaluate("document.documentElement.scrollHeight") > 480
