"""Pictures that are chosen, pasted, dropped or taken from the samples: sent as they are, and read."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.serving import CHAMPION

GOLDEN = json.loads((CHAMPION / "golden.json").read_text())["cases"]


def picture(digit, kind):
    """A digit in black on white, five times as large as MNIST's, as a file of some kind."""
    pixels = 255 - np.uint8(np.reshape(GOLDEN[digit]["image"], (28, 28)) * 255)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((140, 140)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp"])
def test_chosen_file_is_sent_as_it_is(visit, proxied, kind):
    here = visit(address=proxied[0])
    data = picture(5, kind)
    here.find("#file").set_input_files({"name": f"five.{kind}", "mimeType": f"image/{kind}", "buffer": data})
    here.expect_reading(5)
    assert (f"image/{kind}", data) in proxied[1]
    expect(here.find("#pad")).to_have_attribute("aria-label", f"Drawing area, picture five.{kind}")


def test_same_file_can_be_chosen_again(visit):
    """A browser says nothing of a file that is chosen as it was before, unless none is chosen any more."""
    here = visit()
    here.find("#file").set_input_files({"name": "three.png", "mimeType": "image/png", "buffer": picture(3, "png")})
    here.expect_reading(3)
    assert here.find("#file").input_value() == ""


def test_pasted_picture_is_read(visit):
    here = visit(permissions=["clipboard-read", "clipboard-write"])
    encoded = base64.b64encode(picture(8, "png")).decode()
    here.page.evaluate(
        """async (encoded) => {
            const blob = new Blob([Uint8Array.from(atob(encoded), (one) => one.charCodeAt())], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        encoded,
    )
    here.page.keyboard.press("Control+v")
    here.expect_reading(8)


def test_pasted_text_changes_nothing(visit):
    here = visit(permissions=["clipboard-read", "clipboard-write"])
    here.draw(7)
    here.expect_reading(7)
    here.page.evaluate("navigator.clipboard.writeText('7')")
    here.page.keyboard.press("Control+v")
    here.expect_reading(7)
    expect(here.find("#pad")).to_have_attribute("aria-label", "Drawing area, 1 stroke")


def test_dropped_picture_is_read_and_the_browser_stays(visit):
    here = visit()
    encoded = base64.b64encode(picture(6, "jpeg")).decode()
    carried = here.page.evaluate_handle(
        """(encoded) => {
            const carried = new DataTransfer();
            const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt());
            carried.items.add(new File([bytes], "six.jpg", { type: "image/jpeg" }));
            return carried;
        }""",
        encoded,
    )
    here.find("#bars").dispatch_event("dragover", {"dataTransfer": carried})
    expect(here.find("body.dropping")).to_be_visible()
    here.find("#bars").dispatch_event("drop", {"dataTransfer": carried})
    here.expect_reading(6)
    expect(here.find("body.dropping")).to_have_count(0)


@pytest.mark.parametrize("digit", range(10))
def test_sample_is_read(visit, digit):
    here = visit()
    here.press(f"Sample of the digit {digit}")
    here.expect_reading(digit)
    expect(here.find("#pad")).to_have_attribute("aria-label", f"Drawing area, a sample of the digit {digit}")


def test_stroke_begins_a_drawing_and_undo_brings_the_picture_back(visit):
    here = visit()
    here.press("Sample of the digit 6")
    here.expect_reading(6)
    here.draw(1)
    here.expect_reading(1)
    here.press("Undo")
    here.expect_reading(6)


@pytest.mark.parametrize(
    ("name", "kind", "data", "sentence"),
    [
        ("notes.txt", "text/plain", b"seven", "The Content-Type is 'text/plain'"),
        ("torn.png", "image/png", picture(5, "png")[:100], "begins as a PNG, but is damaged"),
        ("huge.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(5_000_000), "The body holds 5000008 bytes"),
    ],
    ids=["no picture", "torn", "too large"],
)
def test_what_cannot_be_read_is_said_in_the_services_words(visit, name, kind, data, sentence):
    here = visit()
    here.draw(7)
    here.expect_reading(7)
    here.find("#file").set_input_files({"name": name, "mimeType": kind, "buffer": data})
    here.expect_notice(sentence)
    expect(here.find("#digit")).to_have_text("?")
    expect(here.find("#right")).not_to_be_visible()
    here.press("Undo")
    here.expect_reading(7)
    expect(here.find("#notice")).to_be_empty()
    here.allow_refusals()
