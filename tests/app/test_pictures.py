"""Pictures through POST /predict: every door of theirs gives the digit, and says what is wrong with what is none."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.app.test_bad_input import assert_error
from tests.pictures import enlarged, file_of


@pytest.fixture
def seven(golden):
    """The golden 7, uint8 [28, 28]."""
    (case,) = (case for case in golden if case.label == 7)
    return np.uint8(np.rint(np.reshape(case.image, (28, 28)) * 255))


@pytest.fixture
def large(seven):
    """The golden 7, black on white, 280x280."""
    return 255 - enlarged(seven, 280)


@pytest.fixture
def send(client):
    """A function that posts a file to /predict."""

    def post(data, content_type="image/png", query="", **headers):
        return client.post(f"/predict{query}", data=data, content_type=content_type, headers=headers)

    return post


def form(*files):
    return {f"file{index}": (io.BytesIO(data), f"{index}.png") for index, data in enumerate(files)}


def data_url(data, mimetype="image/png"):
    return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "image/x-unknown"])
def test_format_is_found_by_content(send, large, kind, content_type):
    answer = send(file_of(large, kind), content_type)
    assert (answer.status_code, answer.json["prediction"]) == (200, 7)
    assert answer.json.keys() == {"prediction", "confidence", "probabilities"}


def test_picture_of_28x28_is_the_image_itself(send, predict, seven):
    expected = predict({"image": (seven.ravel() / 255).tolist()}).json["probabilities"]
    for picture in (seven, 255 - seven):
        assert send(file_of(picture)).json["probabilities"] == pytest.approx(expected, abs=1e-5)


def test_base64_stands_in_place_of_numbers(predict, seven, large, sample):
    texts = [base64.b64encode(file_of(large)).decode(), data_url(file_of(large)), data_url(seven.tobytes(), "")]
    for text in texts:
        assert predict({"image": text}).json["prediction"] == 7
    answer = predict({"images": [*texts, (seven.ravel() / 255).tolist()]})
    assert [one["prediction"] for one in answer.json["predictions"]] == [7] * 4
    counted = {kind: sample("mnist_inputs_total", kind=kind) for kind in ("picture", "bytes", "flat")}
    assert counted == {"picture": 4, "bytes": 2, "flat": 1}


@pytest.mark.parametrize("text", ["", "AAA", "AA==\n", "AA AA", "AA-_", "=AAAA", "AAAA=", "data:image/png,AAAA", "ä"])
def test_what_is_no_base64_is_400(predict, text):
    assert_error(predict({"image": text}), 400, "invalid_image", "`image`", "Send")


def test_form_of_one_file_is_answered_as_one_image(client, large):
    answer = client.post("/predict", data=form(file_of(large)))
    assert (answer.status_code, answer.json["prediction"]) == (200, 7)


def test_form_of_several_files_is_answered_in_order(client, golden):
    images = [np.uint8(np.reshape(case.image, (28, 28)) * 255) for case in golden]
    files = [file_of(enlarged(image, 100)) if index % 2 else image.tobytes() for index, image in enumerate(images)]
    answer = client.post("/predict", data=form(*files))
    assert [one["prediction"] for one in answer.json["predictions"]] == [case.label for case in golden]


@pytest.mark.parametrize(
    ("fields", "status", "code", "fragment"),
    [
        (lambda: {"image": "text"}, 400, "invalid_request", "field 'image' is no file"),
        (lambda: form(b"?"), 400, "invalid_image", "`file0` is no picture"),
        (lambda: form(*[b"?"] * 129), 413, "batch_too_large", "more than 128 parts"),
    ],
)
def test_form_without_pictures_is_refused(client, fields, status, code, fragment):
    answer = client.post("/predict", data=fields(), content_type="multipart/form-data")
    assert_error(answer, status, code, fragment)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n--x--\r\n", "multipart/form-data"),
        (b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (b"?" * 100_000, "multipart/form-data; boundary=" + "x" * 300),
        (b"\xff\x00", "multipart/form-data; boundary=\xff"),
    ],
)
def test_broken_form_is_400(send, body, content_type):
    assert_error(send(body, content_type), 400, "invalid_request", "the form", "curl -F")


def test_bytes_are_one_image_or_several(send, golden):
    images = np.uint8(np.rint(np.array([case.image for case in golden]) * 255))
    assert send(images[3].tobytes(), "application/octet-stream").json["prediction"] == golden[3].label
    answer = send(images.tobytes(), "application/octet-stream")
    assert [one["prediction"] for one in answer.json["predictions"]] == [case.label for case in golden]


@pytest.mark.parametrize(
    ("count", "status", "code", "fragment"),
    [
        (0, 400, "invalid_image", "holds 0 bytes"),
        (783, 400, "invalid_image", "holds 783 bytes. An image is 784 bytes"),
        (784 * 129, 413, "batch_too_large", "129 images; at most 128"),
    ],
)
def test_other_counts_of_bytes_are_refused(send, count, status, code, fragment):
    assert_error(send(bytes(count), "application/octet-stream"), status, code, fragment)


def test_picture_sent_as_bytes_is_told_its_type(send, large):
    answer = send(file_of(large), "application/octet-stream")
    assert_error(answer, 400, "invalid_image", "send it with Content-Type: image/png")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"II*\0", "image/tiff"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"?" * 1000, "image/png"),
        (b"", "image/png"),
    ],
)
def test_other_pictures_are_415_with_what_is_taken(send, content, content_type):
    answer = send(content, content_type)
    assert_error(answer, 415, "unsupported_media_type", content_type, "PNG, JPEG, GIF, BMP or WebP")


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("side", [28, 280])
def test_blank_picture_is_told_that_it_shows_no_ink(send, level, side):
    answer = send(file_of(np.full((side, side), level, dtype=np.uint8)))
    assert_error(answer, 400, "invalid_image", "`body` shows no ink")
    assert send(file_of(np.full((side, side), level, dtype=np.uint8)), query="?raw=true").status_code == 200


def test_pictures_of_a_request_share_its_pixels(predict, client):
    """One of them is taken alone, but not three."""
    picture = np.zeros((1400, 1400), dtype=np.uint8)
    picture[400:1000, 650:750] = 255
    file = file_of(picture)
    text = base64.b64encode(file).decode()
    assert predict({"image": text}).json["prediction"] == 1
    assert_error(predict({"images": [text] * 3}), 413, "picture_too_large", "`images[2]`", "1400x1400")
    assert_error(client.post("/predict", data=form(*[file] * 3)), 413, "picture_too_large", "`file2`")


def test_top_k_adds_the_most_probable_digits_in_order(send, large):
    answer = send(file_of(large), query="?top_k=3").json
    ranked = sorted(enumerate(answer["probabilities"]), key=lambda one: -one[1])[:3]
    assert answer["top_k"] == [{"digit": digit, "probability": probability} for digit, probability in ranked]
    assert answer["top_k"][0]["digit"] == 7
    both = send(bytes(1568), "application/octet-stream", "?top_k=10").json["predictions"]
    assert [len(one["top_k"]) for one in both] == [10, 10]


def test_explain_shows_what_the_model_saw(send, predict, large):
    answer = send(file_of(large), query="?explain=preprocessed").json
    start, _, content = answer["preprocessed"].partition(",")
    assert start == "data:image/png;base64"
    shown = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (shown.size, shown.mode) == ((28, 28), "L")
    again = predict({"image": (np.asarray(shown).ravel() / 255).tolist()}).json
    assert again["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-4)


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("image/png", "image/png"),
        ("image/avif,image/webp,image/*,*/*;q=0.5", "image/png"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_explain_answers_the_picture_itself_to_who_accepts_it(send, seven, accept, mimetype):
    answer = send(file_of(seven), "image/png", "?explain=preprocessed", Accept=accept)
    assert answer.mimetype == mimetype
    if mimetype == "image/png":
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.data))), seven)


def test_raw_takes_a_picture_as_it_came(send, seven):
    """Shrunk to where it came from; its polarity, size and place are the caller's."""
    picture = np.pad(enlarged(seven, 140, Image.Resampling.NEAREST), ((0, 140), (140, 0)))
    expected = np.asarray(Image.fromarray(picture).resize((28, 28), Image.Resampling.BOX))
    answer = send(file_of(picture), "image/png", "?raw=true&explain=preprocessed", Accept="image/png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.data))), expected)
    inverted = send(file_of(255 - picture), "image/png", "?raw=true&explain=preprocessed", Accept="image/png")
    assert np.asarray(Image.open(io.BytesIO(inverted.data))) == pytest.approx(255.0 - expected, abs=2)


@pytest.mark.parametrize(
    "query", ["x=1", "top_k=0", "top_k=11", "top_k=", "top_k=1&top_k=2", "raw=1", "raw", "explain=all", "Raw=true", "="]
)
def test_unknown_query_is_400_with_what_there_is(client, golden, query):
    answer = client.post(f"/predict?{query}", json={"image": golden[0].image})
    assert_error(answer, 400, "invalid_query", "?raw=true or false, ?top_k=1 or 2", "?explain=preprocessed")


def test_picture_is_remembered_for_feedback(send, client, large):
    request_id = send(file_of(large)).headers["X-Request-Id"]
    answer = client.post("/feedback", json={"request_id": request_id, "label": 7})
    assert answer.json == {"request_id": request_id, "label": 7, "prediction": 7, "right": True}
