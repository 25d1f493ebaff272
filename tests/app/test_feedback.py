"""Feedback: a label for a remembered request counts once, in fixed memory, for whichever worker it comes to."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.feedback import AlreadyConfirmed, Feedback, UnknownRequest
from tests.serving import ROOT

RIGHT = 'mnist_feedback_total{{label="{label}",outcome="right"}}'


@pytest.fixture
def answered(client, golden):
    """The request id of a prediction, made by the service or given by the caller."""

    def ask(case=0, request_id=None):
        headers = {"X-Request-Id": request_id} if request_id else {}
        return client.post("/predict", json={"image": golden[case].image}, headers=headers).headers["X-Request-Id"]

    return ask


@pytest.mark.parametrize("request_id", [None, "my-own-id"])
def test_right_and_wrong_labels_are_counted(client, answered, sample, request_id):
    given_id = answered(3, request_id)
    answer = client.post("/feedback", json={"request_id": given_id, "label": 3})
    assert answer.status_code == 200
    assert answer.json == {"request_id": given_id, "label": 3, "prediction": 3, "right": True}
    assert client.post("/feedback", json={"request_id": answered(4), "label": 9}).json["right"] is False
    assert sample("mnist_feedback_total", label="3", outcome="right") == 1
    assert sample("mnist_feedback_total", label="9", outcome="wrong") == 1


def test_a_prediction_is_confirmed_once(client, answered, sample):
    body = {"request_id": answered(3), "label": 3}
    assert client.post("/feedback", json=body).status_code == 200
    again = client.post("/feedback", json=body)
    assert (again.status_code, again.json["error"]["code"]) == (409, "already_confirmed")
    assert sample("mnist_feedback_total", label="3", outcome="right") == 1


def test_unknown_requests_are_refused(client, golden, sample):
    batch = client.post("/predict", json={"images": [golden[0].image]}).headers["X-Request-Id"]
    refused = client.post("/predict", json={"image": []}).headers["X-Request-Id"]
    for request_id in ("never-seen", batch, refused, "\ud83d\ude00"):
        answer = client.post("/feedback", json={"request_id": request_id, "label": 0})
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_request")
        assert "X-Request-Id of a request of one image" in answer.json["error"]["message"]
    assert sample("mnist_feedback_total", label="0", outcome="wrong") == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "the body is empty"),
        ("{", "not JSON"),
        ("[]", "the body: expected `object`"),
        ("{}", "missing required field `request_id`"),
        ('{"request_id": "a"}', "missing required field `label`"),
        ('{"request_id": "\\ud800", "label": 1}', "not JSON"),
        ('{"request_id": "a", "label": 10}', "`label`: expected `float` <= 9"),
        ('{"request_id": "a", "label": -1}', "`label`: expected `float` >= 0"),
        ('{"request_id": "a", "label": 1.5}', "`label`: expected `float` that's a multiple of 1"),
        ('{"request_id": "a", "label": true}', "`label`: expected `float`, got `bool`"),
        ('{"request_id": "", "label": 1}', "`request_id`: expected `str` of length >= 1"),
        ('{"request_id": "' + "x" * 129 + '", "label": 1}', "`request_id`: expected `str` of length <= 128"),
        ('{"request_id": 5, "label": 1}', "`request_id`: expected `str`"),
        ('{"request_id": "a", "label": 1, "image": []}', "unknown field `image`"),
    ],
)
def test_wrong_bodies_are_refused_with_what_to_send(client, body, says):
    answer = client.post("/feedback", data=body, content_type="application/json")
    assert answer.status_code == 400
    message = answer.json["error"]["message"]
    assert says in message
    assert '{"request_id": ' in message


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(bytes_client, data):
    answer = bytes_client.post("/feedback", data=data, content_type="application/json")
    assert answer.status_code in {400, 404}
    assert answer.json["error"]["message"]


@pytest.fixture(scope="module")
def bytes_client(classifier):
    from app.config import Settings
    from app.main import create_app

    return create_app(Settings(), classifier).test_client()


def test_too_old_is_unknown():
    feedback = Feedback(requests=8, max_age_s=0)
    feedback.remember("a", 1)
    with pytest.raises(UnknownRequest):
        feedback.confirm("a")


def test_new_requests_take_the_place_of_the_oldest():
    """However many requests come, the table holds the last ones and no more."""
    feedback = Feedback(requests=8, max_age_s=60)
    for number in range(100):
        feedback.remember(str(number), number % 10)
    known = []
    for number in range(100):
        try:
            assert feedback.confirm(str(number)) == number % 10
            known.append(number)
        except UnknownRequest:
            pass
    assert known == list(range(92, 100))


def test_a_request_id_that_is_used_again_means_the_last_answer():
    feedback = Feedback(requests=64, max_age_s=60)
    feedback.remember("a", 1)
    assert feedback.confirm("a") == 1
    feedback.remember("a", 2)
    assert feedback.confirm("a") == 2
    with pytest.raises(AlreadyConfirmed):
        feedback.confirm("a")


def test_most_requests_that_fit_are_remembered():
    """Hashes spread unevenly over the buckets, so a full table has lost a part of what it was made for."""
    feedback = Feedback(requests=65536, max_age_s=60)
    for number in range(65536):
        feedback.remember(str(number), 1)
    found = 0
    for number in range(0, 65536, 64):
        with suppress(UnknownRequest):
            found += feedback.confirm(str(number))
    assert found > 0.8 * 1024


FORKED = """
import os, sys
from app.feedback import AlreadyConfirmed, Feedback
feedback = Feedback(requests=65536, max_age_s=60)
for number in range(1024):
    feedback.remember(str(number), 1)
for child in range(4):
    if os.fork() == 0:
        confirmed = 0
        for number in range(1024):
            try:
                confirmed += feedback.confirm(str(number))
            except AlreadyConfirmed:
                pass
        os.write(1, f"{confirmed} ".encode())
        os._exit(0)
for child in range(4):
    os.wait()
"""


def test_processes_that_confirm_at_the_same_time_count_once():
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, check=True)
        assert sum(map(int, ended.stdout.split())) == 1024


def test_feedback_to_another_worker_counts_exactly_once(server, golden):
    """Predictions and confirmations come to two workers as they will; each is confirmed twice, at the same time."""
    label = golden[5].label
    name = RIGHT.format(label=label)
    before = server.metrics()[name]

    def ask(number):
        request_id = f"{id(server)}-{number}"
        connection = server.connect()
        connection.request("POST", "/predict", body_of(golden[5]), {"X-Request-Id": request_id})
        assert connection.getresponse().read()
        connection.close()
        return request_id

    def confirm(request_id):
        return server.request("POST", "/feedback", {"request_id": request_id, "label": label})[0]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(ask, range(100)))
        statuses = list(pool.map(confirm, [one for one in ids for _ in range(2)]))
    assert sorted(statuses) == [200] * 100 + [409] * 100
    assert server.metrics()[name] - before == 100


def body_of(case):
    return f'{{"image": {case.image}}}'
