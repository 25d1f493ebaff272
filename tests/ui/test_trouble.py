"""A service that is down, busy, or behind a proxy that gives it another path."""

from time import monotonic

import pytest
from playwright.sync_api import expect

from app import refusals
from tests.serving import Server
from tests.ui.gateway import PREFIX
from tests.ui.visit import RIGHT


@pytest.fixture
def restartable():
    """A function that starts a service, the second time on the first one's port."""
    running = []

    def start():
        running.append(Server(workers=1, **({"port": running[0].port} if running else {})))
        return running[-1]

    yield start
    running[-1].stop()


def test_service_that_is_down_is_said_and_asked_again_until_it_is_up(visit, restartable):
    server = restartable()
    here = visit(address=f"http://127.0.0.1:{server.port}/")
    server.stop()
    here.draw(2)
    here.expect_notice("The service does not answer. It is asked again.")
    here.shot("down")
    restartable()
    here.expect_reading(2)
    expect(here.find("#notice")).to_be_empty()
    here.allow_refusals()


def test_sample_of_a_service_that_is_down_is_said(visit, restartable):
    server = restartable()
    here = visit(address=f"http://127.0.0.1:{server.port}/")
    server.stop()
    here.press("Sample of the digit 2")
    here.expect_notice("The service does not answer.")
    here.allow_refusals()
    restartable()


def test_busy_service_is_waited_for_as_long_as_it_says(visit):
    """It refuses twice in the words of an overload; then it answers."""
    here = visit()
    head, _, body = refusals.answer(503, "overloaded", "more requests come.", b"x").partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    asked_s = []

    def refuse_twice(route):
        asked_s.append(monotonic())
        if len(asked_s) <= 2:
            route.fulfill(status=503, headers=headers, body=body)
        else:
            route.continue_()

    here.page.route("**/predict*", refuse_twice)
    here.press("Sample of the digit 6")
    here.expect_notice("The service is busy. It is asked again in a moment.")
    here.expect_reading(6)
    assert len(asked_s) == 3
    assert asked_s[2] - asked_s[0] >= 2 * int(headers["Retry-After"]) > 0
    expect(here.find("#notice")).to_be_empty()
    here.allow_refusals()


def test_answer_of_something_between_is_a_sentence(visit):
    here = visit()
    here.page.route("**/predict*", lambda route: route.fulfill(status=403, body="<h1>Forbidden</h1>"))
    here.draw(1)
    here.expect_notice("Something between this page and the service answered 403.")
    here.allow_refusals()


def test_page_works_wherever_a_proxy_puts_it(visit, proxied):
    here = visit(address=proxied[0], permissions=["clipboard-read", "clipboard-write"])
    here.draw(3)
    here.expect_reading(3)
    here.press(RIGHT)
    here.expect_notice("Counted")
    here.press("Sample of the digit 4")
    here.expect_reading(4)
    here.press("Copy as curl")
    here.expect_notice("Copied.")
    assert f"{PREFIX}predict" in here.page.evaluate("navigator.clipboard.readText()")
    here.page.get_by_role("link", name="For programs").click()
    expect(here.page.get_by_role("heading", level=1)).to_have_text("Calls of mnist-api")
    here.page.get_by_role("link", name="Draw a digit").click()
    expect(here.find("#bars li")).to_have_count(10)
