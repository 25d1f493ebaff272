"""The service as it really runs: gunicorn, several workers, real sockets."""

import http.client
import json
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest

from tests.serving import START_TIMEOUT_S
from tests.ways import NOT_HOT

REQUESTS = 4_000
CLIENTS = 8
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_eight_clients_of_two_workers_each_get_their_own_answers(server, classifier, golden):
    """Each sends images of its own, half of them the long way; an answer to another's image is not what it expects."""
    before = server.metrics()
    with ThreadPoolExecutor(CLIENTS) as pool:
        wrong = list(pool.map(lambda seed: count_wrong_answers(server, classifier, golden, seed), range(CLIENTS)))
    assert wrong == [0] * CLIENTS
    after = server.metrics()
    counted = 'mnist_http_requests_total{method="POST",route="/predict",status="200"}'
    assert after[counted] - before.get(counted, 0) == REQUESTS
    digits = [f'mnist_predictions_total{{digit="{digit}"}}' for digit in range(10)]
    assert sum(after[digit] - before[digit] for digit in digits) == REQUESTS
    count = "mnist_prediction_latency_seconds_count"
    assert after[count] - before[count] == REQUESTS


def count_wrong_answers(server, classifier, golden, seed):
    """Send a share of the requests, some on one connection and then on a new one, and compare each answer."""
    random = np.random.default_rng(seed)
    wrong = 0
    for _ in range(REQUESTS // CLIENTS // 50):
        with closing(server.connect()) as connection:
            for _ in range(50):
                image = np.float32(golden[random.integers(10)].image).reshape(28, 28)
                image = np.roll(image, random.integers(-3, 4, size=2), axis=(0, 1)) * np.float32(random.uniform(0.5, 1))
                expected = classifier.predict(image[np.newaxis])[0]
                body = json.dumps({"image": image.ravel().tolist()})
                connection.request("POST", "/predict", body, NOT_HOT if random.integers(2) else {})
                answer = json.loads(connection.getresponse().read())
                wrong += not np.allclose(answer["probabilities"], expected, atol=1e-6)
    return wrong


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not share connections out")
def test_connections_that_are_opened_at_once_are_shared_out(start_server):
    """Kept connections stay where they are: with all of them, one worker would work while the other idles."""
    server = start_server(workers=2)

    def held():
        return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.worker_pids()]

    before = held()
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(server.connect())) for _ in range(60)]
        for connection in opened:
            connection.connect()
        for connection in opened:
            connection.request("GET", "/health/live")
            assert connection.getresponse().read()
        assert min(now - then for now, then in zip(held(), before, strict=True)) > 10


def test_half_sent_and_idle_connections_do_not_stop_honest_requests(start_server, golden):
    """One worker, and 200 connections that send nothing, or half a request, and stay."""
    server = start_server(workers=1, keepalive_s=600)
    with ExitStack() as open_connections:
        slow = [
            open_connections.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            for _ in range(200)
        ]
        for connection in slow[::2]:
            connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Le")
        for connection in slow[::4]:
            connection.sendall(b"ngth: 4000\r\n\r\n{")
        for index in range(50):
            status, answer = server.request("POST", "/predict", {"image": golden[index % 10].image})
            assert (status, answer["prediction"]) == (200, golden[index % 10].label)
        # They were there all the time: none has been closed by the server.
        for connection in slow:
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)


def test_large_bodies_that_never_come_keep_nobody_out(start_server, golden):
    """Announced, they are more than the worker would hold; but what has come of them is next to nothing."""
    server = start_server(workers=1)
    with ExitStack() as open_connections:
        for _ in range(40):
            slow = open_connections.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            slow.sendall(HEAD + b"Content-Length: 4000000\r\n\r\n{")
        for case in golden:
            assert server.request("POST", "/predict", {"image": case.image})[1]["prediction"] == case.label
            (large,) = server.request("POST", "/predict", {"images": [case.image] * 128})[1].values()
            assert [one["prediction"] for one in large] == [case.label] * 128


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 100000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"],
    ids=["length", "chunked"],
)
def test_a_large_body_that_does_not_come_is_408(start_server, rest):
    server = start_server(workers=1, large_body_wait_s=1)
    with closing(socket.create_connection(("127.0.0.1", server.port), START_TIMEOUT_S)) as slow:
        slow.sendall(HEAD + rest)
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert (answer.status, answer.will_close) == (408, True)
        assert json.loads(answer.read())["error"]["code"] == "request_timeout"


def test_what_a_worker_holds_of_large_bodies_is_limited(start_server, golden):
    """Thirty send all of the largest body but its end, and eight have room: others are told to come again in the end.

    Not all others: once a second the worker ends those whose time is over, and so makes room for as many.
    """
    server = start_server(workers=1, large_body_wait_s=5, max_body_bytes=100_000)
    with ExitStack() as open_connections:
        connections = [
            open_connections.enter_context(
                closing(socket.create_connection(("127.0.0.1", server.port), START_TIMEOUT_S))
            )
            for _ in range(30)
        ]
        for connection in connections:
            connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n{" + b" " * 99_000)
        answers = []
        for connection in connections:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answers.append((answer.status, answer.headers["Retry-After"], json.loads(answer.read())["error"]["code"]))
    assert set(answers) == {(408, None, "request_timeout"), (503, "1", "overloaded")}
    refused = answers.count((503, "1", "overloaded"))
    assert server.metrics()['mnist_rejected_total{reason="overloaded"}'] == refused
    assert server.request("POST", "/predict", {"image": golden[4].image})[1]["prediction"] == 4


def test_largest_batches_at_once_are_all_answered(server, golden):
    """Many more than are read at a time: each waits for its turn and gets its answer."""
    body = {"images": [golden[index % 10].image for index in range(128)]}
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: server.request("POST", "/predict", body), range(48)))
    assert {status for status, _ in answers} == {200}
    expected = [golden[index % 10].label for index in range(128)]
    assert all([one["prediction"] for one in answer["predictions"]] == expected for _, answer in answers)


def test_greedy_connection_gives_way_to_others(start_server):
    """One worker, and a client that has sent many requests ahead: another's request is answered before they all are."""
    server = start_server(workers=1)
    ahead = 5000
    with closing(socket.create_connection(("127.0.0.1", server.port))) as greedy:
        request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
        with ThreadPoolExecutor(1) as pool:
            received = pool.submit(count_answers, greedy, ahead)
            greedy.sendall(request)
            greedy.sendall(request * (ahead - 1))
            assert server.request("GET", "/health/live")[0] == 200
            assert not received.done()
            assert received.result() == ahead


def count_answers(connection, expected):
    counted, rest = 0, b""
    while counted < expected and (data := connection.recv(65536)):
        *answers, rest = (rest + data).split(b"HTTP/1.1 200 OK")
        counted += len(answers)
    return counted


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", id="chunk size is no number"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", id="chunk without end"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}", id="chunk ends early"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", id="last chunk is missing"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;\x00=\r\n{}\r\n0\r\n\r\n", id="bad chunk extension"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nbad trailer\r\n\r\n", id="bad trailer"),
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n{}", id="short body"),
    ],
)
def test_broken_body_is_400(server, request_bytes):
    status, headers, body = server.raw(request_bytes)
    assert (status, headers["Connection"]) == (400, "close")
    assert json.loads(body)["error"]["code"] == "broken_body"
    assert b"Traceback" not in body


@pytest.mark.parametrize("image", [b'{"image": [0]}', b'{"image": [' + b"0," * 783 + b"0]}"])
def test_chunked_body_is_read(server, image):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (image[:5], image[5:9], image[9:]))
    status, _, _ = server.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert status == (200 if len(image) > 100 else 400)


def test_body_over_the_limit_is_refused_unread(server):
    """The head alone announces 100 GB; the answer comes without waiting for any of it, and the connection closes."""
    status, headers, body = server.raw(HEAD + b"Content-Length: 100000000000\r\n\r\n")
    assert (status, headers["Connection"]) == (413, "close")
    assert json.loads(body)["error"]["code"] == "body_too_large"


def test_endless_chunked_body_is_refused_while_it_is_sent(server):
    """The sender of 64 MB reads its 413: the rest is neither kept nor waited for."""
    with closing(server.connect()) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        try:
            for _ in range(1024):
                connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has hung up, as it may
        assert b'"body_too_large"' in connection.sock.recv(65536)


def test_refusal_ends_the_connection_without_a_reset(server):
    """With unread bytes of the body left, a plain close is a reset, after which many clients lose the answer."""
    with closing(socket.create_connection(("127.0.0.1", server.port), 30)) as connection:
        connection.sendall(HEAD + b"Content-Length: 100000000000\r\n\r\n" + b" " * 300_000)
        received = b""
        while data := connection.recv(65536):
            received += data
    assert b'"body_too_large"' in received


@pytest.mark.parametrize(
    ("start", "expected"),
    [(b"POST /nothing", 404), (b"PUT /predict", 405), (b"GET /health", 200), (b"POST /predict", 415)],
)
def test_body_that_nobody_wants_is_not_waited_for(server, start, expected):
    """Unknown path, wrong method, no use for a body, wrong type: the answer closes the connection, the body unread."""
    head = start + b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000000000\r\n\r\n"
    status, headers, _ = server.raw(head)
    assert (status, headers["Connection"]) == (expected, "close")


def test_connection_survives_an_ordinary_error(server, golden):
    with closing(server.connect()) as connection:
        for body, status in [("{", 400), (json.dumps({"image": golden[0].image}), 200)] * 3:
            connection.request("POST", "/predict", body)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            assert not answer.will_close


@pytest.mark.parametrize(
    "head", [b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n"]
)
def test_what_is_not_http_is_400_without_trace(server, head):
    status, _, body = server.raw(head)
    assert status == 400
    assert b"Traceback" not in body


def test_readiness_falls_and_connections_end_while_draining(start_server):
    server = start_server(workers=1)
    with closing(server.connect()) as first, closing(server.connect()) as second:
        assert [ask(first), ask(second)] == [(200, False)] * 2
        server.process.send_signal(signal.SIGTERM)
        assert until_draining(first, second) == (503, True)
    assert server.wait() == 0


def test_request_under_way_is_finished_while_draining(start_server, golden):
    """Half of a request was sent before SIGTERM; the other half comes when readiness has fallen."""
    server = start_server(workers=1)
    body = json.dumps({"image": golden[5].image}).encode()
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(server.connect())) for _ in range(2))
        slow = stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), 30)))
        slow.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:1000])
        # Asked after the half request was sent, and answered: by now that one is being read.
        assert [ask(first), ask(second)] == [(200, False)] * 2
        server.process.send_signal(signal.SIGTERM)
        assert until_draining(first, second)[0] == 503
        slow.sendall(body[1000:])
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert (answer.status, answer.will_close) == (200, True)
        assert json.loads(answer.read())["prediction"] == golden[5].label
    assert server.wait() == 0


def until_draining(first, second):
    """Ask until an answer is not (200, kept). The signal may fall between an answer's status and its headers, once."""
    while (answer := ask(first)) == (200, False):
        pass
    return ask(second) if answer[0] == 200 else answer


def ask(connection, path="/health/ready"):
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.will_close


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_stops_cleanly(start_server, with_signal):
    server = start_server()
    assert server.stop(with_signal) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_logs_are_json_and_name_the_model(start_server, classifier):
    server = start_server()
    server.stop()
    lines = [json.loads(line) for line in server.log if line.startswith("{")]
    assert any(line.get("model_sha256") == classifier.bundle.manifest.sha256 for line in lines)


def test_counts_survive_a_killed_worker(start_server, golden):
    """A worker that is killed takes nothing of what was counted with it, and is replaced."""
    server = start_server(workers=1)
    for _ in range(20):
        server.request("POST", "/predict", {"image": golden[1].image})
    (worker,) = (int(line.rpartition("pid: ")[2].rstrip('"}\n')) for line in server.log if "Booting worker" in line)
    os.kill(worker, signal.SIGKILL)
    for _ in range(20):
        assert server.request("POST", "/predict", {"image": golden[1].image})[0] == 200
    assert server.metrics()['mnist_predictions_total{digit="1"}'] == 40
