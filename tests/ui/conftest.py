"""Chromium as it is installed, the champion's service, and visits to its page."""

import pytest

from tests.serving import Server
from tests.ui.gateway import gateway
from tests.ui.visit import SCREENS, Visit, chromium


@pytest.fixture(scope="session")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def service():
    """One service for all tests that leave it running."""
    running = Server(workers=2)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def proxied(service):
    """The service behind a proxy: its address there, and what was sent to it."""
    with gateway(service.port) as given:
        yield given


@pytest.fixture
def visit(browser, service):
    """A function that opens the page: `screen` is one of SCREENS, options are a browser context's.

    After the test no request may have left the origin, and neither console nor policy may have complained.
    """
    visits = []

    def open_page(screen="desktop", address=f"http://127.0.0.1:{service.port}/", shown="#bars li", **options):
        visits.append(Visit(browser.new_context(**SCREENS[screen] | options), address, shown))
        return visits[-1]

    yield open_page
    assert visits
    for one in visits:
        one.page.context.close()
    assert [one.problems for one in visits] == [[] for _ in visits]
