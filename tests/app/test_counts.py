"""Counts are exact: over workers, through their crashes and replacements, and they cost no more for it."""

import fcntl
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

ANSWERED = 'mnist_http_requests_total{method="POST",route="/predict",status="200"}'
DIGITS = [f'mnist_predictions_total{{digit="{digit}"}}' for digit in range(10)]
CRASHED, ENDED = (f'mnist_worker_exits_total{{reason="{reason}"}}' for reason in ("crashed", "ended"))


def replace_workers(server, count, with_signal):
    """End the youngest workers, and look until others stand in their place."""
    alive = server.metrics()["mnist_workers"]
    expected = len(server.worker_pids()) + count
    for pid in server.worker_pids()[-count:]:
        os.kill(pid, with_signal)
    server.until(lambda: len(server.worker_pids()) >= expected and server.metrics()["mnist_workers"] == alive)


def predict(server, golden, number):
    case = golden[number % 10]
    status, answer = server.request("POST", "/predict", {"image": case.image})
    return status == 200 and answer["prediction"] == case.label


def test_a_thousand_requests_to_four_workers_are_a_thousand(start_server, golden):
    """Workers are killed, and others end of themselves, between them."""
    server = start_server(workers=4)
    with ThreadPoolExecutor(8) as pool:
        for round_, with_signal in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGKILL)):
            assert all(pool.map(lambda number: predict(server, golden, number), range(250)))
            assert server.metrics()[ANSWERED] == 250 * (round_ + 1)
            replace_workers(server, 2, with_signal)
    metrics = server.metrics()
    assert metrics[ANSWERED] == sum(metrics[digit] for digit in DIGITS) == 1000
    for histogram in ("mnist_prediction_latency_seconds", "mnist_prediction_confidence", "mnist_input_intensity"):
        assert metrics[f"{histogram}_count"] == 1000
    assert metrics["mnist_queue_wait_seconds_count"] == 1001  # once it was asked whether it is ready
    assert (metrics[CRASHED], metrics[ENDED]) == (6, 2)


def test_two_hundred_replaced_workers_leave_nothing_behind(start_server, golden, tmp_path):
    server = start_server(workers=8, metrics_dir=tmp_path)
    (folder,) = tmp_path.glob("mnist-metrics-*")

    def state():
        """What grows if anything does: the files, their bytes, the series, and the memory of who sums them."""
        metrics = server.metrics()
        files = sorted(folder.iterdir())
        memory = metrics["mnist_arbiter_process_resident_memory_bytes"]
        return len(files), sum(path.stat().st_size for path in files), len(metrics), memory

    def ask():
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda number: predict(server, golden, number), range(100)))

    ask()
    replace_workers(server, 8, signal.SIGKILL)
    *before, memory_before = state()
    for _ in range(24):
        replace_workers(server, 8, signal.SIGKILL)
    ask()
    *after, memory_after = state()
    assert after == before
    assert memory_after < memory_before * 1.1
    metrics = server.metrics()
    assert (metrics[ANSWERED], metrics[CRASHED]) == (200, 200)
    # A request ends a moment after its answer.
    server.until(lambda: server.metrics()["mnist_requests_in_progress"] == 0)


def test_scrape_answers_while_every_worker_stands_still(start_server):
    server = start_server(workers=2)
    for pid in server.worker_pids():
        os.kill(pid, signal.SIGSTOP)
    try:
        assert server.metrics()["mnist_workers"] == 2
    finally:
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGCONT)


def test_requests_in_progress_end_with_their_worker(start_server):
    server = start_server(workers=1)
    with closing(socket.create_connection(("127.0.0.1", server.port))) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
        server.until(lambda: server.metrics()["mnist_requests_in_progress"] == 1)
        replace_workers(server, 1, signal.SIGKILL)
        assert server.metrics()["mnist_requests_in_progress"] == 0


def test_counts_of_a_service_that_was_killed_are_swept_away(start_server, tmp_path):
    """A container's memory outlives its processes: what a killed service left is neither counted nor kept."""
    killed = start_server(metrics_dir=tmp_path)
    (left,) = tmp_path.glob("mnist-metrics-*")
    beside = start_server(metrics_dir=tmp_path)
    killed.process.send_signal(signal.SIGKILL)
    killed.wait()
    # Its workers see within a second that they are orphans, and end: with the last of them, nobody holds the folder.
    beside.until(lambda: is_unlocked(left))
    third = start_server(metrics_dir=tmp_path)
    assert left not in set(tmp_path.iterdir())
    assert len(list(tmp_path.glob("mnist-metrics-*"))) == 2
    assert beside.metrics()["mnist_workers"] == third.metrics()["mnist_workers"] == 2


def is_unlocked(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_worker_figures_are_there_and_follow(start_server):
    server = start_server(workers=2)
    metrics = server.metrics()
    assert metrics["mnist_workers"] == 2
    assert metrics["mnist_worker_cpu_seconds_total"] > 0
    assert metrics["mnist_worker_resident_memory_bytes"] > 10_000_000
    assert 3 < metrics["mnist_worker_open_fds"] < 1000
    for generation in range(3):
        assert f'mnist_worker_gc_collections_total{{generation="{generation}"}}' in metrics
    cpu_s = "mnist_worker_cpu_seconds_total"
    server.until(lambda: server.metrics()[cpu_s] > metrics[cpu_s])


@pytest.mark.parametrize(
    ("request_bytes", "status", "says"),
    [
        (b"GARBAGE\r\n\r\n", 400, "not HTTP/1.1"),
        # With bytes left unread, the kernel would reset the connection, and the answer would be lost.
        (b"GARBAGE\r\n\r\n" + b"x" * 300_000, 400, "not HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, "not HTTP/1.1"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "first line is too long"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 10000 + b"\r\n\r\n", 431, "headers are too long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417, "100-continue"),
    ],
)
def test_what_is_not_http_gets_the_one_shape_and_is_counted(server, request_bytes, status, says):
    counted = f'mnist_http_requests_total{{method="other",route="unmatched",status="{status}"}}'
    malformed = 'mnist_rejected_total{reason="malformed"}'
    before = server.metrics()
    answered, headers, content = server.raw(request_bytes)
    assert (answered, headers["Content-Type"]) == (status, "application/json")
    assert b'"code":"malformed"' in content
    assert says.encode() in content
    assert headers["X-Request-Id"].encode() in content
    after = server.metrics()
    assert after[counted] - before.get(counted, 0) == 1
    assert after[malformed] - before[malformed] == 1

    def lines():
        return [one for one in server.requests_logged() if one["request_id"] == headers["X-Request-Id"]]

    server.until(lines)  # which may come a moment after the answer
    (line,) = lines()
    assert (line["status"], line["error"]) == (status, "malformed")
