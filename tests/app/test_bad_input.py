"""Bad input: each kind with its status, its code, and a message that says what to send."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.main import create_app

ZEROS = [0.0] * 784
ROWS = [[0.0] * 28 for _ in range(28)]
SEND = 'Send {"image": [784 numbers in 0..1]}'


def image_with(value):
    return '{"image": [' + "0.5," * 783 + value + "]}"


BAD_BODIES = {
    "empty": ("", "invalid_json", "the body is empty", SEND),
    "blank": ("  \n", "invalid_json", "the body is empty", SEND),
    "text": ("hello", "invalid_json", "not JSON", SEND),
    "bytes": (b"\xff\xfe\x00", "invalid_json", "not JSON", SEND),
    "cut short": ('{"image": [0.1, 0.2', "invalid_json", "not JSON", SEND),
    "nested without end": ('{"image": ' + "[" * 100_000, "invalid_json", "nested too deeply"),
    "list": ("[]", "invalid_request", "the body: expected `object`", SEND),
    "number": ("5", "invalid_request", "the body: expected `object`", SEND),
    "null": ("null", "invalid_request", "the body: expected `object`", SEND),
    "no key": ("{}", "invalid_request", "neither `image` nor `images`", SEND),
    "unknown key": ('{"pixels": []}', "invalid_request", "unknown field `pixels`", SEND),
    "key too many": ({"image": ZEROS, "id": 1}, "invalid_request", "unknown field `id`"),
    "both keys": ({"image": ZEROS, "images": [ZEROS]}, "invalid_request", "both"),
    "null image": ({"image": None}, "invalid_request", "`image`: expected `array`, got `null`"),
    "number image": ({"image": 7}, "invalid_request", "`image`: expected `array`, got `int`"),
    "text image": ({"image": "no base64"}, "invalid_image", "`image` is text, but not base64", "784 numbers"),
    "text in images": ({"images": [ZEROS, "AAAA"]}, "invalid_image", "`images[1]` is no picture", "Send a PNG"),
    "0": ({"image": []}, "invalid_image", "holds 0 numbers", "784 numbers, or 28 rows of 28"),
    "783": ({"image": [0.0] * 783}, "invalid_image", "holds 783 numbers", "784"),
    "785": ({"image": [0.0] * 785}, "invalid_image", "holds 785 numbers", "784"),
    "27 rows": ({"image": ROWS[:27]}, "invalid_image", "holds 27 rows", "28 rows of 28"),
    "ragged": ({"image": [*ROWS[:27], [0.0]]}, "invalid_image", "`image[27]` holds 1"),
    "row and number": ({"image": [*ROWS[:27], 0.5]}, "invalid_request", "`image[27]`: expected `array`"),
    "number and rows": ({"image": [0.5, *ROWS]}, "invalid_request", "`image[0]`: expected `array`"),
    "3 levels": ({"image": [ROWS]}, "invalid_request", "`image[0][0]`: expected `float`, got `array`"),
    "string": (image_with('"1"'), "invalid_request", "`image[783]`: expected `float`, got `str`"),
    "boolean": (image_with("true"), "invalid_request", "`image[783]`: expected `float`, got `bool`"),
    "null inside": (image_with("null"), "invalid_request", "`image[783]`: expected `float`, got `null`"),
    "NaN": (image_with("NaN"), "invalid_json", "no NaN and no Infinity"),
    "Infinity": (image_with("Infinity"), "invalid_json", "no NaN and no Infinity"),
    "-Infinity": (image_with("-Infinity"), "invalid_json", "no NaN and no Infinity"),
    "1e999": (image_with("1e999"), "invalid_request", "`image[783]`: number out of range"),
    "401 digits": (image_with("1" + "0" * 400), "invalid_request", "`image[783]`: number out of range"),
    "beyond float32": (image_with("1e39"), "invalid_image", "`image[783]` is 1e+39", "in 0..1"),
    "just above 1": (image_with("1.0001"), "invalid_image", "`image[783]` is 1.0001"),
    "just below 0": (image_with("-0.0001"), "invalid_image", "`image[783]` is -0.0001", "in 0..1"),
    "0..255": ({"image": [0, 255] * 392}, "invalid_image", "`image[1]` is 255", "divide by 255"),
    "no images": ({"images": []}, "invalid_request", "`images` is empty"),
    "one in images": ({"images": ZEROS}, "invalid_request", "`images[0]`: expected `array`, got `float`"),
    "second image bad": ({"images": [ZEROS, ZEROS[:9]]}, "invalid_image", "`images[1]` holds 9 numbers"),
    "batch of 129": ({"images": [ZEROS] * 129}, "batch_too_large", "holds 129 images", "at most 128"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_bad_body(client, kind):
    body, code, *fragments = BAD_BODIES[kind]
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    answer = client.post("/predict", data=data, content_type="application/json")
    assert_error(answer, 413 if code == "batch_too_large" else 400, code, *fragments)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_other_content_type_is_415(client, content_type):
    answer = client.post("/predict", data=json.dumps({"image": ZEROS}), content_type=content_type)
    assert_error(answer, 415, "unsupported_media_type", content_type, "Content-Type: application/json")


def test_body_over_the_limit_is_413(classifier):
    client = create_app(Settings(max_body_bytes=1000), classifier).test_client()
    assert_error(client.post("/predict", data=b"x" * 1001), 413, "body_too_large", "1001 bytes", "at most 1000")
    assert client.post("/predict", data=b"x" * 1000).status_code == 400


def test_short_body_is_400(client):
    answer = client.post("/predict", data=b"{}", environ_overrides={"CONTENT_LENGTH": "100"})
    assert_error(answer, 400, "broken_body", "ended after 2 of 100 bytes")


@pytest.mark.parametrize("path", ["/nothing", "/predict/", "/health/other", "/health//live", "/%00", "/predict%0a"])
def test_unknown_path_is_404(client, path):
    assert_error(client.get(path), 404, "not_found", "GET / lists the paths")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST", "OPTIONS"}),
        ("DELETE", "/predict", {"POST", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_wrong_method_is_405_with_allow(client, method, path, allowed):
    answer = client.open(path, method=method)
    assert_error(answer, 405, "method_not_allowed", method, "Allow")
    assert set(answer.headers["Allow"].split(", ")) == allowed


KEYS = st.sampled_from(["image", "images", "x"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
PIXELS = st.sampled_from([0, 1, 0.5, 1.0, -0.0, 2, 255, -1, 1e-320, 1e39, 10**30, True, None, "0", [], [0.5], {}])


@st.composite
def almost_images(draw):
    """An image, or what is nearly one: a few pixels replaced, added or dropped, as numbers or as rows."""
    image = [0.25] * draw(st.sampled_from([784, 784, 784, 783, 785, 28]))
    for _ in range(draw(st.integers(0, 2))):
        image[draw(st.integers(0, len(image) - 1))] = draw(PIXELS)
    if draw(st.booleans()):
        return image
    rows = [image[start : start + 28] for start in range(0, len(image), 28)]
    return draw(st.sampled_from([rows, rows, rows[:-1], [*rows, 0.5], [rows]]))


@st.composite
def almost_requests(draw):
    key = draw(st.sampled_from(["image", "image", "images", "images", "Image"]))
    images = draw(st.lists(almost_images(), max_size=2)) if key == "images" else draw(almost_images())
    return {key: images} | draw(st.sampled_from([{}, {}, {}, {}, {"image": 1}, {"x": 1}]))


@st.composite
def torn_requests(draw):
    """The text of a good request, with a piece of it cut out or replaced."""
    text = json.dumps({"image": [0.25] * 784}).encode()
    start = draw(st.integers(0, len(text)))
    return text[:start] + draw(st.binary(max_size=4)) + text[start + draw(st.integers(0, 9)) :]


BODIES = st.one_of(
    st.binary(max_size=60),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    almost_requests().map(lambda value: json.dumps(value).encode()),
    torn_requests(),
)


@pytest.mark.hypothesis  # for `make fuzz`: hypothesis sets it only where it makes the test's own arguments
def test_generated_bodies_are_answered_as_an_independent_reading_of_the_contract_says(app, sample, caplog):
    caplog.set_level("ERROR", "app.request")  # pytest keeps every line, and has no use for so many
    client = app.test_client()
    accepted, wanted = 0, 25 * settings.default.max_examples

    @settings(max_examples=wanted, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def check(body):
        nonlocal accepted
        answer = client.post("/predict", data=body)
        accepted += answer.status_code == 200
        assert (answer.status_code == 200) == is_good(body), answer.text
        if answer.status_code != 200:
            assert_error(answer, answer.status_code)
            assert answer.status_code in {400, 413}

    check()
    counted = sum(
        sample("mnist_http_requests_total", method="POST", route="/predict", status=status)
        for status in ("200", "400", "413")
    )
    assert counted >= wanted
    assert accepted > wanted / 100


def is_good(body):
    """Read the contract with the standard library's JSON: what /predict must take, and nothing else."""
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or len(value) != 1:
        return False
    if "image" in value:
        return is_good_image(value["image"])
    images = value.get("images")
    return isinstance(images, list) and 1 <= len(images) <= 128 and all(map(is_good_image, images))


def is_good_image(value):
    if not isinstance(value, list):
        return False
    if len(value) == 28 and all(isinstance(row, list) and len(row) == 28 for row in value):
        value = [pixel for row in value for pixel in row]
    return len(value) == 784 and all(type(pixel) in {int, float} and 0 <= pixel <= 1 for pixel in value)


def assert_error(answer, status, code=None, *fragments):
    """Check an error's status, and that its body is the one shape, complete, and no more than that."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.json.keys() == {"error"}
    error = answer.json["error"]
    assert error.keys() == {"code", "message", "request_id"}
    assert error["request_id"] == answer.headers["X-Request-Id"]
    assert code in {None, error["code"]}
    assert "Traceback" not in answer.text
    assert 'File "' not in answer.text
    for fragment in fragments:
        assert fragment in error["message"]
