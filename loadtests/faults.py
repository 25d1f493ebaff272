"""Faults under load: a killed worker, SIGTERM, a clock that jumps. `make faults`; for Linux.

A full /dev/shm and a read-only disk are in the tests of the image. Gives 0 if only those requests failed that were in
the hands of the worker that was killed.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from loadtests import payloads
from loadtests.open_loop import Generator, Offered, percentile_ms, requests
from loadtests.service import Service
from loadtests.verdict import Row, Verdict

RATE, SECONDS, CONNECTIONS = 300.0, 6.0, 20
REPLACED_S = 2.0
JUMPS_S = (0.0, 86_400.0, -86_400.0, 3_600.0)
CALLS_A_JUMP = 200


def jumping_clock() -> Any:
    """Make the application that gunicorn serves, in processes whose time of day jumps by a day and back."""
    from app.main import from_environment

    real, jumps = time.time, (jump for jump in cycle(JUMPS_S) for _ in range(CALLS_A_JUMP))
    time.time = lambda: real() + next(jumps)
    return from_environment()


@contextmanager
def loaded(application: str = "") -> Iterator[tuple[Service, Callable[[], Offered]]]:
    """A service of two workers under load, in a thread; and a function that waits for the load's end."""
    service = Service(application, workers=2)
    while len(service.workers()) < 2:
        time.sleep(0.01)
    generator = Generator(service.port, requests(payloads.singles()), CONNECTIONS)
    offered: list[Offered] = []
    thread = threading.Thread(target=lambda: offered.append(generator.offer(RATE, SECONDS)))
    thread.start()

    def end() -> Offered:
        thread.join()
        return offered[0]

    try:
        time.sleep(SECONDS / 3)
        yield service, end
    finally:
        thread.join()
        generator.close()
        if service.process.poll() is None:
            service.stop()


def is_replaced(service: Service, killed: int) -> bool:
    """Whether two workers serve, as they themselves say once they are ready, and the killed one is not one of them."""
    ready = b"\nmnist_workers 2.0\n" in service.get("/metrics", service.metrics_port)
    return ready and killed not in service.workers()


def killed_worker() -> Iterator[Row]:
    """One of two workers is killed: the requests in its hands fail, another worker is there at once."""
    with loaded() as (service, end):
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        begun = time.perf_counter()
        while not is_replaced(service, killed) and time.perf_counter() < begun + 10:
            time.sleep(0.005)
        replaced_s = time.perf_counter() - begun
        offered = end()
    print(f"  a worker is killed: {dict(offered.outcomes)}, replaced after {replaced_s:.2f} s", flush=True)
    # No connection has more than one request on it.
    yield Row("kill -9: broken", offered.outcomes["broken"], "<=", CONNECTIONS, "{:,.0f}")
    yield Row("kill -9: other", offered.failed - offered.outcomes["broken"], "<=", 0, "{:,.0f}")
    yield Row("kill -9: new one", replaced_s, "<=", REPLACED_S, "{:.2f} s")
    yield Row("kill -9: right", offered.outcomes["right"], ">=", RATE * SECONDS - CONNECTIONS, "{:,.0f}")


def terminated() -> Iterator[Row]:
    """The service is told to end: each request that it took is answered, and so is its caller told to go elsewhere."""
    with loaded() as (service, end):
        service.process.send_signal(signal.SIGTERM)
        offered = end()
        code = service.process.wait(60)
    print(f"  SIGTERM: {dict(offered.outcomes)}, exit code {code}", flush=True)
    yield Row("SIGTERM: failed", offered.failed, "<=", 0, "{:,.0f}")
    yield Row("SIGTERM: right", offered.outcomes["right"], ">=", RATE * SECONDS / 4, "{:,.0f}")
    yield Row("SIGTERM: code", code, "<=", 0, "{:.0f}")


def clock_jumps() -> Iterator[Row]:
    """The time of day jumps by a day and back, all the time."""
    with loaded("loadtests.faults:jumping_clock()") as (service, end):
        workers = service.workers()
        offered = end()
        replaced = len(set(workers) - set(service.workers()))
    print(f"  the clock jumps: {dict(offered.outcomes)}, p99 {percentile_ms(offered.right_s, 0.99):.1f} ms", flush=True)
    yield Row("clock: failed", offered.failed, "<=", 0, "{:,.0f}")
    yield Row("clock: right", offered.outcomes["right"], ">=", RATE * SECONDS, "{:,.0f}")
    yield Row("clock: replaced", replaced, "<=", 0, "{:.0f} workers")


def main() -> int:
    """Give 0 if each fault cost no more than it must."""
    print(f"{RATE:.0f} requests a second for {SECONDS:.0f} s, on {CONNECTIONS} connections, two workers", flush=True)
    rows = tuple(row for fault in (killed_worker, terminated, clock_jumps) for row in fault())
    verdict = Verdict("\nFaults under load", rows, int(RATE * SECONDS))
    print(verdict)
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
