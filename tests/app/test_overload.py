"""More than the service can answer: what is taken is answered rightly, the rest is refused at once, and it goes on.

A worker that stands still while requests come is how a test makes more of them than it can answer, on any machine.
"""

import http.client
import json
import os
import signal
import socket
import struct
from contextlib import ExitStack, closing, contextmanager

import gevent.socket
import pytest
from gevent import spawn

from app.admission import Admission
from app.connection import Connection
from app.turns import Turns

REFUSED = 'mnist_rejected_total{reason="overloaded"}'


def request(body, *headers, path="/predict"):
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def standing_still(server):
    """Let requests pile up; the worker finds them all at once."""
    (worker,) = server.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def connect(stack, server):
    return stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), 30)))


def answer(connection):
    got = http.client.HTTPResponse(connection)
    got.begin()
    return got, json.loads(got.read())


def test_what_is_not_taken_is_refused_and_the_rest_is_right(start_server, golden):
    """A hundred at once, where one may wait: each has its answer, and each connection goes on."""
    server = start_server(workers=1, queue_requests=1, keepalive_s=60)
    with ExitStack() as stack:
        connections = [connect(stack, server) for _ in range(100)]
        for connection in connections:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer(connection)[0].status == 200
        before = server.metrics()
        with standing_still(server):
            for index, connection in enumerate(connections):
                body = json.dumps({"image": golden[index % 10].image}).encode()
                connection.sendall(request(body, f"X-Request-Id: number-{index}"))
        statuses = []
        for index, connection in enumerate(connections):
            got, content = answer(connection)
            statuses.append(got.status)
            assert got.headers["X-Request-Id"] == f"number-{index}"
            assert not got.will_close
            if got.status == 200:
                assert content["prediction"] == golden[index % 10].label
            else:
                assert (got.status, got.headers["Retry-After"]) == (503, "1")
                assert content["error"]["code"] == "overloaded"
                assert content["error"]["request_id"] == f"number-{index}"
        assert {200, 503} == set(statuses)
        refused = statuses.count(503)
        after = server.metrics()
        assert after[REFUSED] - before[REFUSED] == refused
        counted = 'mnist_http_requests_total{method="other",route="unmatched",status="503"}'
        assert after[counted] - before[counted] == refused
        for index, connection in enumerate(connections):
            connection.sendall(request(json.dumps({"image": golden[index % 10].image}).encode()))
            got, content = answer(connection)
            assert (got.status, content["prediction"]) == (200, golden[index % 10].label)
    logged = []

    def all_are_logged():
        logged[:] = [one for one in map(json.loads, list(server.log)) if one["message"].startswith("overloaded")]
        return sum(one["refused"] for one in logged) == refused

    server.until(all_are_logged)
    assert len(logged) < refused


@pytest.mark.parametrize("path", [b"/health/live", b"/v2/health/ready"])
def test_probes_are_answered_where_others_are_refused(start_server, path):
    server = start_server(workers=1, queue_requests=1)
    with ExitStack() as stack:
        probes = [connect(stack, server) for _ in range(20)]
        others = [connect(stack, server) for _ in range(20)]
        with standing_still(server):
            for probe, other in zip(probes, others, strict=True):
                other.sendall(request(b"{}"))
                probe.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
        assert {answer(probe)[0].status for probe in probes} == {200}
        assert 503 in {answer(other)[0].status for other in others}


@pytest.mark.parametrize("path", ["/v2/models/mnist/infer", "/v1/models/mnist:predict"])
def test_refusals_of_the_inference_protocols_have_their_shape(start_server, path):
    server = start_server(workers=1, queue_requests=1)
    with ExitStack() as stack:
        connections = [connect(stack, server) for _ in range(20)]
        with standing_still(server):
            for index, connection in enumerate(connections):
                connection.sendall(request(b"{}", f"X-Request-Id: number-{index}", path=path))
        refused = 0
        for index, connection in enumerate(connections):
            got, content = answer(connection)
            assert got.headers["X-Request-Id"] == f"number-{index}"
            if got.status == 503:
                refused += 1
                assert got.headers["Retry-After"] == "1"
                assert content == {
                    "error": "more requests come than can be answered in good time."
                    " Send this one again as Retry-After says."
                }
        assert refused


def test_refusals_keep_to_what_was_sent_ahead(start_server, golden):
    """Requests sent ahead on one connection, refused or not, are answered one by one and in their order."""
    server = start_server(workers=1, queue_requests=1)
    body = json.dumps({"image": golden[3].image}).encode()
    with ExitStack() as stack:
        connections = [connect(stack, server) for _ in range(20)]
        with standing_still(server):
            for connection in connections:
                connection.sendall(b"".join(request(body, f"X-Request-Id: {number}") for number in range(5)))
        statuses = set()
        for connection in connections:
            reader = connection.makefile("rb")
            for number in range(5):
                head = b"".join(iter(reader.readline, b"\r\n")).lower()
                statuses.add(head.split()[1])
                assert b"x-request-id: %d\r\n" % number in head
                reader.read(int(head.partition(b"content-length: ")[2].split()[0]))
        assert statuses == {b"200", b"503"}


@pytest.mark.parametrize("ending", ["HTTP/1.0", "Connection: close"])
def test_a_refusal_closes_where_the_client_expects_it(start_server, ending):
    server = start_server(workers=1, queue_requests=1)
    asked = request(b"{}", ending) if ":" in ending else request(b"{}").replace(b"HTTP/1.1", ending.encode())
    with ExitStack() as stack:
        connections = [connect(stack, server) for _ in range(20)]
        with standing_still(server):
            for connection in connections:
                connection.sendall(asked)
        answers = [b"".join(iter(lambda: connection.recv(65536), b"")) for connection in connections]  # noqa: B023
        refused = [one for one in answers if b" 503 " in one]
        assert refused
        assert all(b"\r\nConnection: close\r\n" in one and one.endswith(b"}}") for one in refused)


@pytest.mark.parametrize(
    "sent",
    [b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Le", request(b"{}" + b" " * 5000)[:-1]],
    ids=["head", "body"],
)
def test_a_request_that_does_not_come_is_408(start_server, sent):
    server = start_server(workers=1, keepalive_s=1)
    with closing(socket.create_connection(("127.0.0.1", server.port), 30)) as slow:
        slow.sendall(sent)
        got, content = answer(slow)
        assert (got.status, got.will_close, content["error"]["code"]) == (408, True, "request_timeout")
        assert slow.recv(1) == b""


def test_a_late_client_that_resets_its_connection_takes_no_worker_with_it():
    """Its reset comes before anybody has seen it: as when the worker did other things when the time was over."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, address = listening.accept()
        served = gevent.socket.socket(fileno=accepted.detach())
        connection = Connection(served, listening.getsockname(), address, limit_s=1)
        connection.expect_until(1.0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        connection.end_if_late(2.0)
        with pytest.raises(ConnectionResetError):
            connection.receive()
        connection.close()


def test_an_idle_connection_is_closed_without_a_word(start_server):
    server = start_server(workers=1, keepalive_s=1)
    with closing(socket.create_connection(("127.0.0.1", server.port), 30)) as idle:
        assert idle.recv(1) == b""


def test_turns_are_taken_in_order_and_tell_what_one_more_would_wait():
    turns, order = Turns(), []

    def take(number):
        turns.wait()
        order.append((number, len(turns)))
        sum(range(100_000))

    greenlets = [spawn(take, number) for number in range(5)]
    for one in greenlets:
        one.join()
    assert order == [(number, 4 - number) for number in range(5)]
    waiting = spawn(turns.wait)
    waiting.start()
    assert turns.expected_s() == 0
    waiting.join(0)
    waiting.join()


def test_only_a_queue_that_stands_makes_waiting_too_long(monkeypatch):
    """A burst may take a second; once somebody has been waiting for a second all along, the budget counts."""
    turns = Turns()
    admission = Admission(turns, most=10, wait_s=0.03)
    for standing_s, waited_s, expected in [(0.5, 0.1, False), (0.5, 1.1, True), (1.5, 0.1, True), (1.5, 0.01, False)]:
        monkeypatch.setattr(turns, "standing_s", lambda standing_s=standing_s: standing_s)
        assert admission.is_too_late(b"post /predict", waited_s) is expected
        assert not admission.is_too_late(b"get /health/live", waited_s)
