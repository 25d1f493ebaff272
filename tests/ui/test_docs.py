"""The page at /docs in a real browser: every call is there, can be read, sent, and copied as a command that works."""

import json
import subprocess

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.description import Description
from tests.pictures import file_of
from tests.serving import CHAMPION
from tests.ui.test_access import audit
from tests.ui.visit import SCREENS

CALLS = "#calls details"
PNG, FORM, BYTES = "image/png", "multipart/form-data", "application/octet-stream"
GOLDEN = json.loads((CHAMPION / "golden.json").read_text())["cases"]


@pytest.fixture
def docs(visit, service):
    """A function that opens the page; the fragment is the call that is to be unfolded."""

    def open_page(fragment="", **options):
        return visit(address=f"http://127.0.0.1:{service.port}/docs#{fragment}", shown=CALLS, **options)

    return open_page


@pytest.fixture(scope="module")
def operations(service):
    return Description(service.request("GET", "/openapi.json")[1]).operations()


def unfold(here):
    """Unfold every call."""
    for summary in here.find(f"{CALLS} > summary").all():
        summary.click()
    expect(here.find("#calls form")).to_have_count(here.find(CALLS).count())


def send(here, name):
    """Send a call's form; give what is shown of the answer."""
    form = here.page.get_by_role("form", name=name, exact=True)
    form.get_by_role("button", name="Send").click()
    expect(form.locator("output pre, output img")).to_have_count(1)
    return form.locator("output")


def test_every_call_is_there_with_its_parts(docs, operations):
    here = docs()
    expect(here.find(CALLS)).to_have_count(len(operations))
    unfold(here)
    shown = [summary.inner_text().split() for summary in here.find(f"{CALLS} > summary").all()]
    assert {f"{method} {path}" for method, path, *_ in shown} == operations.keys()
    text = here.find("main").inner_text()
    assert "undefined" not in text
    assert "[object" not in text
    shapes = ("image?: [784", "or base64", "file]", "label: number 0..9, whole")
    for part in (*shapes, "body_too_large", "X-Request-Id, header"):
        assert part in text


def test_every_call_is_answered_as_its_form_stands(docs, operations):
    """But feedback, whose example names a prediction that nobody made here."""
    here = docs()
    unfold(here)
    for name in operations:
        answer = send(here, name)
        expect(answer).to_contain_text("404 in" if name == "POST /feedback" else "200 in")
    here.allow_refusals()


@pytest.mark.parametrize("content_type", [PNG, FORM, BYTES])
def test_file_is_sent_as_the_type_says(docs, content_type):
    here = docs("predict")
    here.find("#predict").get_by_label("Content-Type").select_option(content_type)
    pixels = np.uint8(np.reshape(GOLDEN[4]["image"], (28, 28)) * 255)
    data = pixels.tobytes() if content_type == BYTES else file_of(pixels)
    here.find("#predict").get_by_label("File").set_input_files({"name": "4", "mimeType": "", "buffer": data})
    expect(send(here, "POST /predict")).to_contain_text('{"prediction":4,')


def test_command_for_a_file_names_one(docs, tmp_path):
    here = docs("predict")
    (tmp_path / "digit.png").write_bytes(file_of(np.uint8(np.reshape(GOLDEN[4]["image"], (28, 28)) * 255)))
    for content_type in (PNG, FORM):
        here.find("#predict").get_by_label("Content-Type").select_option(content_type)
        command = here.find("#predict .wrapped").inner_text()
        ended = subprocess.run(["bash", "-euc", command], cwd=tmp_path, capture_output=True, check=True, timeout=30)
        assert json.loads(ended.stdout)["prediction"] == 4


def test_parameter_is_sent(docs):
    here = docs("example")
    here.find("#example").get_by_label("digit").fill("7")
    expect(here.find("#example .wrapped").first).to_contain_text("example?digit=7")
    expect(send(here, "GET /example")).to_contain_text('"image"')
    here.find("#example").get_by_label("digit").fill("x")
    expect(send(here, "GET /example")).to_contain_text("?digit=x is wrong")
    here.allow_refusals()


@pytest.mark.parametrize(
    ("call", "key"),
    [("predict", "prediction"), ("infer", "outputs"), ("predict_instances", "predictions"), ("model", "version")],
)
def test_copied_command_works_in_a_shell(docs, call, key):
    here = docs(call, permissions=["clipboard-read", "clipboard-write"])
    here.find(f"#{call}").get_by_role("button", name="Copy as curl").click()
    here.expect_notice("Copied. Paste it into a terminal.")
    command = here.page.evaluate("navigator.clipboard.readText()")
    ended = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True, timeout=30)
    assert key in json.loads(ended.stdout)


def test_command_is_selected_where_a_page_may_not_use_the_clipboard(docs):
    here = docs("model")
    here.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    here.find("#model").get_by_role("button", name="Copy as curl").click()
    here.expect_notice("Selected. Copy it with Ctrl+C.")
    assert here.page.evaluate("getSelection().toString()").startswith("curl -s 'http://127.0.0.1:")


def test_page_works_behind_a_proxys_path(visit, proxied):
    here = visit(address=f"{proxied[0]}docs#predict", shown=CALLS)
    expect(send(here, "POST /predict")).to_contain_text('"prediction"')


def test_calls_are_reached_and_unfolded_by_keyboard(docs):
    here = docs()
    here.find("header a").last.focus()
    here.page.keyboard.press("Tab")
    here.page.keyboard.press("Enter")
    expect(here.find("details[open] form")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(docs, screen, scheme):
    here = docs("predict", screen=screen, color_scheme=scheme)
    send(here, "POST /predict")
    assert audit(here) == []
    here.shot(f"docs-{screen}-{scheme}")


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_no_screen_is_too_narrow(docs, width):
    here = docs(viewport={"width": width, "height": 700})
    unfold(here)
    assert here.page.evaluate("document.documentElement.scrollWidth") == width


def test_service_that_is_gone_is_said_so(docs):
    here = docs("model")
    here.page.route("**/model", lambda route: route.abort())
    form = here.page.get_by_role("form", name="GET /model", exact=True)
    form.get_by_role("button", name="Send").click()
    expect(form.locator("output")).to_have_text("The service does not answer.")
    here.allow_refusals()
