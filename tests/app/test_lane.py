"""The hot lane: what it answers, it answers as gunicorn and Flask do; what is not plain, it leaves to them."""

import inspect
import json
import logging
import re

import pytest
from gunicorn.http import message, wsgi
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.lane import read_head
from app.logs import JsonFormatter
from app.main import create_app
from tests.app.test_bad_input import BODIES
from tests.app.test_request_log import TRACEPARENT
from tests.ways import by_flask, by_lane, read

PLAIN = ["POST /predict HTTP/1.1", "Host: x", "Content-Type: application/json"]
IMAGE = json.dumps({"image": [0.0, 1.0, 0.5, 0.25] * 196}).encode()
AFTER = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
# Of two answers to one request, all may differ in this.
OWN = re.compile(rb"(?<=\r\nDate: )[^\r]*|(?<=\r\ntraceparent: 00-)[^\r]*")
TIMES = re.compile("_seconds_(bucket|sum)$|_created$|^mnist_worker_")

TOKENS = [
    *("0", "1", "-0", "-0.0", "0.5", "1E0", "1e-400", "-1e-400", "5e-324", "2.2250738585072011e-308", "1e-45", "0e99"),
    *(
        "0.00392156862745098",
        "0.30000001192092896",
        "1e-7",
        "0.9999999701976776",
        "0.99999998",
        "10e-1",
        "1.0000000000000001",
    ),
    *("0.10000000149011612", "0.1000000014901161193847656250000001", "0.99999999999999999999999999999999"),
]
ODD_TOKENS = [
    *("1.0000000000000003", "1.00000001", "1e400", "-1", "1.1", "255", "18446744073709551616", "1" + "0" * 400),
    *("true", "false", "null", "NaN", "Infinity", '"1"', "[1]", "{}", "01", "+1", ".5", "1.", "0x1", "1_0", ""),
]
BLANK = st.sampled_from(["", "", " ", "\r\n\t "])


@st.composite
def images(draw):
    """The text of an image, with some pixels and spaces written in other ways."""
    pixels = ["0.25"] * 784
    for token in draw(st.lists(st.sampled_from(TOKENS), max_size=9)):
        pixels[draw(st.integers(0, 783))] = token
    key = draw(st.sampled_from(['"image"', '"im\\u0061ge"']))
    return f"{{{key}{draw(BLANK)}: [{(draw(BLANK) + ',').join(pixels)}]{draw(BLANK)}}}"


@st.composite
def odd_images(draw):
    """One that is spoilt, or nearly."""
    text = draw(images())
    old, new = draw(
        st.one_of(
            st.sampled_from(ODD_TOKENS).map(lambda token: ("0.25", token)),
            st.sampled_from([(" 0.25,", ""), ("0.25", "0.25,0.25"), ("{", "\ufeff{"), ("}", "}\x00"), ("}", "}{}")]),
            st.sampled_from(['{"image": 1, ', '{"image": [1], ', '{"x": 1, ']).map(lambda start: ("{", start)),
            st.sampled_from([('"image"', "image"), ('"image"', '"Image"'), ("[", "[["), (",", ",,"), (":", ":\x0b")]),
        )
    )
    return text.replace(old, new, 1)


OTHER_FIRST_LINES = [
    *("POST /predict HTTP/1.0", "POST /predict?raw=true HTTP/1.1", "POST /predict? HTTP/1.1", "post /predict HTTP/1.1"),
    *("POST //predict HTTP/1.1", "POST /predict/ HTTP/1.1", "POST http://x/predict HTTP/1.1"),
    *("POST /%70redict HTTP/1.1", "POST  /predict HTTP/1.1", "HEAD /predict HTTP/1.1", "POST /predict HTTP/1.1 "),
]
FIELDS = [
    *(
        "Connection: keep-alive",
        "Connection: Keep-Alive",
        "tracestate: a=1",
        "Accept: */*",
        "Accept-Encoding: gzip, br",
    ),
    *("X-Request-Id: order-17", "X-Request-ID:\ta.b_c ", "x-request-id: a b", "X-Request-Id: a,b"),
    *("X-Request-Id: " + "x" * 129, f"traceparent: {TRACEPARENT}", "Traceparent: 00-x"),
    *(f"TraceParent: {TRACEPARENT.upper()}", f"traceparent: {TRACEPARENT}-more", "X-Forwarded-Proto: https"),
    *(
        "X-Forwarded-For: 1, 2",
        "Authorization: Bearer x",
        "User-Agent: a (b; c) d",
        "Cookie: a=b",
        "accept:\t image/png ",
    ),
    *(
        "Unheard-Of: x",
        "X-Envoy-Internal: true",
        "X-B3-TraceId: 1",
        "B3: 1-2-1",
        "Sec-Fetch-Mode: cors",
        "Keep-Alive: 5",
    ),
    *("Range: bytes=0-1", "If-None-Match: x", "X-HTTP-Method-Override: PUT", "X-Forwarded-Prefix: /a", "Date: x"),
    *("Inference-Header-Content-Length: 1", "X-Original-URI: /x", "Proxy-Connection: close", "Max-Forwards: 0"),
]
ODD_FIELDS = [
    *("Host: ", "Host: a b", "Host: x/y", "Host: y", "host:127.0.0.1:5000", "Content-Type:", "Content-Type: image/png"),
    *("Content-Type: application/json; charset=latin-1", "Content_Type: x", "Content-Length: 1", "Content-Length: +1"),
    *("Connection: close", "Connection: x, close", "Connection:close", "Upgrade: h2c", "TE: trailers", "Expect: x"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer_Encoding: chunked", "Trailer: x"),
    *(
        "Script_Name: /x",
        "SCRIPT-NAME: /x",
        "Path_Info: /x",
        "X-Forwarded-Protocol: ssl",
        "Content-Language: en",
        "Content-MD5: x",
    ),
    *("X_Request_Id: z", "X-Request-Id: \xfc", "X-Request-Id:", "Content-Encoding: identity", "Content-Encoding: gzip"),
    *("X-Forwarded-Ssl: on", "Bad Name: x", "No-Colon", ": x", "User-Agent : x", "Accept: a\x01b"),
    *("Accept: a\x00", "Accept: a\x7f", "Accept: \xff", "Accept:\x0ba", " folded: x", "\tfolded", ""),
]

# Every word that may be a field's name in the source of gunicorn's parser and writer, and any other name.
WORDS = {word for module in (message, wsgi) for word in re.findall('"([A-Z][A-Z-]+)"', inspect.getsource(module))}
NAMES = st.sampled_from(sorted(WORDS)) | st.from_regex("[A-Za-z0-9-]{1,12}", fullmatch=True)
VALUES = st.sampled_from(["1", "close", "chunked", "https", "on", "x, y"])


@st.composite
def requests(draw):
    """A request's bytes: a plain one, of which a third have up to two parts replaced, left out, or ended otherwise."""
    # Chosen first, because one_of would count each of BODIES' kinds as one of its own.
    good, odd = images().map(str.encode), odd_images().map(str.encode)
    body = draw(draw(st.sampled_from([good, good, good, odd, BODIES])))
    lines = [*PLAIN, *draw(st.lists(st.sampled_from(FIELDS), max_size=3)), f"Content-Length: {len(body)}"]
    ends = ["\r\n"] * len(lines)
    most = draw(st.sampled_from([0, 0, 2]))
    for oddity in draw(st.lists(st.sampled_from(["first line", "field", "left out", "length", "end"]), max_size=most)):
        at = draw(st.integers(1, len(lines) - 1))
        if oddity == "first line":
            lines[0] = draw(st.sampled_from(OTHER_FIRST_LINES))
        elif oddity == "field":
            lines[at] = draw(st.sampled_from(ODD_FIELDS) | st.builds("{}: {}".format, NAMES, VALUES))
        elif oddity == "left out":
            lines[at] = "Accept: */*"
        elif oddity == "length":
            lines[-1] = draw(st.sampled_from([f"Content-Length: 0{len(body)}", f"content-length:\t{len(body) // 2} "]))
        else:
            ends[at] = draw(st.sampled_from(["\n", "\r", "\r\r\n"]))
    head = "".join(line + end for line, end in zip(lines, ends, strict=True))
    return head.encode("latin-1") + b"\r\n" + body


@pytest.fixture
def lines():
    """The lines that are logged of requests, as they would be written."""
    found = []

    class Handler(logging.Handler):
        def emit(self, record):
            found.append(json.loads(self.format(record)))

    handler = Handler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app.request")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield found
    logger.removeHandler(handler)
    logger.setLevel("NOTSET")


def counts(app):
    """All that an application has counted, but for the time it took."""
    return {
        (one.name, *one.labels.items()): one.value
        for family in app.extensions["metrics"].registry.collect()
        for one in family.samples
        if not TIMES.search(one.name)
    }


def without_own(answer, data):
    """An answer, without what differs between two to the same request: time, and ids that the caller did not give."""
    (request_id,) = re.findall(rb"\r\nX-Request-Id: ([^\r]*)", answer)
    answer = OWN.sub(b"", answer)
    return answer if request_id in data else answer.replace(request_id, b"")


def without_own_line(line, data):
    own = {"time", "duration_ms", "span_id"}
    own |= {name for name in ("trace_id", "request_id") if line[name].encode() not in data}
    return {name: value for name, value in line.items() if name not in own}


def plain_request(*fields, body=IMAGE):
    return "\r\n".join([*PLAIN, f"Content-Length: {len(body)}", *fields, "", ""]).encode() + body


@pytest.mark.hypothesis  # for `make fuzz`: hypothesis sets it only where it makes the test's own arguments
def test_generated_requests_are_answered_counted_and_logged_alike(classifier, lines):
    lane_app, flask_app = (create_app(Settings(), classifier) for _ in range(2))
    asked = answered = 0

    @settings(max_examples=4 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    @example(plain_request("X-Request-Id: order-17", f"traceparent: {TRACEPARENT}"))
    @example(plain_request("X-Request-Id: order-17", "X-Request-Id: order-18"))
    def check(data):
        nonlocal asked, answered
        asked += 1
        lines.clear()
        answer = by_lane(lane_app, data + AFTER)
        if answer is not None:
            answered += 1
            other, rest = by_flask(flask_app, data + AFTER)
            assert rest == AFTER
            assert without_own(answer, data) == without_own(other, data)
            line, other_line = lines
            assert line.keys() == other_line.keys()
            assert without_own_line(line, data) == without_own_line(other_line, data)
        # Both count alike what the lane answers; what it does not, it does not count.
        assert counts(lane_app) == counts(flask_app)

    check()
    assert asked > answered > asked / 10


@pytest.mark.parametrize("text", ["-0.0", "1e-400", "5e-324", "0.1000000014901161193847656250000001", "1E0", "0"])
def test_every_way_to_write_a_pixel_is_the_same_pixel(app, text):
    data = plain_request(body=b'{"image": [' + text.encode() + b", 0.5" * 783 + b"]}")
    assert read(by_lane(app, data))[2] == read(by_flask(app, data)[0])[2]


USUAL = [
    [],
    ["User-Agent: curl/8.5.0", "Accept: */*"],
    ["User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive"],
    ["X-Request-ID: 4a5f", "X-Real-IP: 10.0.0.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https"],
    [f"traceparent: {TRACEPARENT}", "tracestate: a=1", "X-Request-Id: a"],
    # As a mesh, a proxy and a browser write them.
    [
        *("x-forwarded-proto: http", "x-request-id: 5f0c", "x-envoy-attempt-count: 1", "x-b3-traceid: 1", "b3: 1-2-1"),
        *("x-forwarded-client-cert: By=spiffe://cluster.local/ns/default/sa/default;Hash=" + "0" * 64, "baggage: a=1"),
    ],
    [
        *("X-Scheme: https", "X-Forwarded-Scheme: https", "X-Original-Forwarded-For: 10.0.0.1", "CF-Ray: 1-FRA"),
        "Authorization: Bearer " + "x" * 1500,
    ],
    [
        *("Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin", 'sec-ch-ua: "Chromium";v="140"', "DNT: 1"),
        *(
            "Origin: http://127.0.0.1:5000",
            "Referer: http://127.0.0.1:5000/",
            "Accept-Language: en",
            "Priority: u=1, i",
        ),
    ],
]


@pytest.mark.parametrize("fields", USUAL, ids=lambda fields: fields[0].partition(":")[0] if fields else "none")
def test_requests_of_usual_clients_are_taken(app, fields):
    assert by_lane(app, plain_request(*fields)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        *(["Connection: close"], ["Content-Encoding: identity"], ["Expect: 100-continue"], ["Upgrade: h2c"]),
        *(["Transfer-Encoding: chunked"], ["Content-Language: en"], ["X_Request_Id: a"], ["X-Forwarded-Ssl: on"]),
        *(["X-Request-Id: a", "x-request-id: b"], ["Host: y"], ["Content-Length: 1"], ["Accept: a\r\n b"]),
        *(["Accept: a\x00b"], ["Accept: a\x7f"], ["Accept: \xff"], ["Accept: a\rb"], ["Accept:"], ["Accept : a"]),
        *(["User-Agent: " + "x" * 4096], [f"X-{number}: a" for number in range(64)]),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_alone(app, fields):
    before = counts(app)
    assert by_lane(app, plain_request(*fields)) is None
    assert counts(app) == before


@pytest.mark.parametrize("token", ODD_TOKENS)
def test_a_pixel_that_is_none_is_left_alone(app, token):
    body = b'{"image": [' + b"0.25," * 783 + token.encode() + b"]}"
    assert by_lane(app, plain_request(body=body)) is None
    assert by_flask(app, plain_request(body=body))[0].startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("length", [0, 783, 785])
def test_an_image_of_another_length_is_left_alone(app, length):
    assert by_lane(app, plain_request(body=json.dumps({"image": [0.25] * length}).encode())) is None


@pytest.mark.parametrize("body", [b"{}", b'{"images": [' + IMAGE[10:-1] + b"]}", IMAGE + b"]", b""])
def test_other_bodies_are_left_alone(app, body):
    before = counts(app)
    assert by_lane(app, plain_request(body=body)) is None
    assert counts(app) == before


def test_a_body_over_the_limit_is_left_alone(classifier):
    app = create_app(Settings(max_body_bytes=len(IMAGE) - 1), classifier)
    assert by_lane(app, plain_request()) is None
    assert by_lane(create_app(Settings(max_body_bytes=len(IMAGE)), classifier), plain_request())


def test_a_model_that_fails_is_left_to_the_usual_way(app, monkeypatch):
    """Which tries it again, answers 500, and counts it once."""
    monkeypatch.setattr(app.extensions["classifier"], "predict", None)
    before = counts(app)
    assert by_lane(app, plain_request()) is None
    assert counts(app) == before
    assert by_flask(app, plain_request())[0].startswith(b"HTTP/1.1 500 ")


def test_successes_that_are_not_sampled_are_not_logged(classifier, lines):
    assert by_lane(create_app(Settings(log_sample=0), classifier), plain_request())
    assert not lines


@pytest.mark.parametrize(
    "add",
    [
        lambda app: app.before_request(lambda: None),
        lambda app: app.after_request(lambda response: response),
        lambda app: app.teardown_request(print),
        lambda app: app.teardown_appcontext(print),
        lambda app: app.url_value_preprocessor(print),
        lambda app: setattr(app, "wsgi_app", app.wsgi_app),
    ],
    ids=["before", "after", "teardown", "teardown of the context", "values", "middleware"],
)
def test_an_application_that_does_more_with_each_request_has_no_lane(app, classifier, add):
    assert app.extensions["lane"].stands_for(app)
    other = create_app(Settings(), classifier)
    add(other)
    assert not other.extensions["lane"].stands_for(other)


def test_a_hook_that_was_added_sees_every_request(start_server, tmp_path):
    (tmp_path / "locked.py").write_text(
        "from flask import request\n"
        "from app.main import from_environment\n"
        "def application():\n"
        "    app = from_environment()\n"
        "    app.before_request(lambda: ({'locked': True}, 401) if request.method == 'POST' else None)\n"
        "    return app\n"
    )
    server = start_server({"PYTHONPATH": str(tmp_path)}, application="locked:application()")
    assert server.raw(plain_request())[0] == 401
    server.until(lambda: any("the hot lane is off" in line for line in list(server.log)))


def test_a_head_says_who_asks():
    head = plain_request("X-Request-ID:\torder-17 ", "TraceParent: a").partition(b"\r\n\r\n")[0] + b"\r\n"
    assert read_head(head) == ("order-17", "a")
