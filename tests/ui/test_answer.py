"""What is done with an answer: it is told right or wrong, and copied as a command."""

import json
import subprocess

import pytest
from playwright.sync_api import expect

from tests.serving import Server
from tests.ui.visit import RIGHT, WRONG


def feedback(service, label, outcome):
    return service.metrics()[f'mnist_feedback_total{{label="{label}",outcome="{outcome}"}}']


def test_right_answer_is_counted_once(visit, service):
    before = feedback(service, 3, "right")
    here = visit()
    here.draw(3)
    here.expect_reading(3)
    here.press(RIGHT)
    here.expect_notice("Thank you. Counted: a 3, read right.")
    for name in (RIGHT, WRONG):
        expect(here.page.get_by_role("button", name=name)).to_be_disabled()
    assert feedback(service, 3, "right") == before + 1
    here.press("Clear")
    here.draw(3)
    here.expect_reading(3)
    here.press(RIGHT)
    here.expect_notice("Thank you. Counted: a 3, read right.")
    assert feedback(service, 3, "right") == before + 2


def test_wrong_answer_is_counted_with_the_digit_that_it_is(visit, service):
    before = feedback(service, 9, "wrong")
    here = visit()
    here.draw(4)
    here.expect_reading(4)
    here.press(WRONG)
    expect(here.page.get_by_role("button", name="It is a 0")).to_be_focused()
    here.shot("wrong")
    here.press("It is a 9")
    here.expect_notice("Thank you. Counted: a 9, read as a 4.")
    expect(here.find("#choice")).not_to_be_visible()
    assert feedback(service, 9, "wrong") == before + 1


def test_answer_that_was_told_before_is_said_so_kindly(visit, service):
    here = visit()
    with here.page.expect_response("**/predict*") as answered:
        here.press("Sample of the digit 2")
    here.expect_reading(2)
    told = {"request_id": answered.value.headers["x-request-id"], "label": 2}
    assert service.request("POST", "/feedback", told)[0] == 200
    here.press(RIGHT)
    here.expect_notice("Thank you. This answer was counted before.")
    here.allow_refusals()


@pytest.fixture
def forgetful():
    """A service that remembers eight answers."""
    running = Server(workers=1, feedback_requests=8)
    yield running
    running.stop()


def test_answer_that_is_remembered_no_more_is_said_so_kindly(visit, forgetful):
    here = visit(address=f"http://127.0.0.1:{forgetful.port}/")
    here.press("Sample of the digit 2")
    here.expect_reading(2)
    for _ in range(8):
        forgetful.request("POST", "/predict", {"image": [0.5] * 784})
    here.press(RIGHT)
    here.expect_notice("Thank you, but this answer is remembered no more")
    expect(here.page.get_by_role("button", name=RIGHT)).to_be_enabled()
    here.allow_refusals()


def test_copied_command_gives_the_same_answer_in_a_shell(visit):
    here = visit(permissions=["clipboard-read", "clipboard-write"])
    with here.page.expect_response("**/predict*") as answered:
        here.press("Sample of the digit 5")
    here.expect_reading(5)
    here.press("Copy as curl")
    here.expect_notice("Copied. Paste it into a terminal.")
    answer = run(here.page.evaluate("navigator.clipboard.readText()"))
    assert answer["prediction"] == 5
    # The picture has 256 shades, and the sample others: four decimals of each.
    assert answer["probabilities"] == pytest.approx(answered.value.json()["probabilities"], abs=0.01)


def test_command_of_a_drawing_reads_what_was_drawn(visit):
    here = visit(permissions=["clipboard-read", "clipboard-write"])
    here.draw(8)
    here.expect_reading(8)
    here.press("Copy as curl")
    here.expect_notice("Copied.")
    command = here.page.evaluate("navigator.clipboard.readText()")
    assert len(command) < 1500
    assert run(command)["prediction"] == 8


def test_command_is_shown_where_a_page_may_not_use_the_clipboard(visit):
    """As on every page of plain http that is not this machine's."""
    here = visit()
    here.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    here.draw(8)
    here.expect_reading(8)
    here.press("Copy as curl")
    shown = here.page.get_by_label("Copy this command")
    expect(shown).to_be_focused()
    assert run(here.page.evaluate("getSelection().toString()"))["prediction"] == 8


def run(command):
    """Paste a command into bash."""
    ended = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True, timeout=30)
    return json.loads(ended.stdout)
