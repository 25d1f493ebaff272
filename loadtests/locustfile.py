"""The load, for Locust: its users, and the verdict as its exit code. `make load` runs it.

Each user asks at random times, twice a second on average, as callers do who know nothing of each other. An answer
counts as failed if it is not 200 or names a wrong digit; nothing is asked again.
"""

import random
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtests import objectives, payloads, shapes, verdict
from loadtests.generator import Watch

TIMEOUT_S = 10.0


class Failed(Exception):
    """An answer that counts as failed; reports show the text alone."""

    def __repr__(self) -> str:
        return str(self)


class Caller(FastHttpUser):
    """Sends payloads, and looks at each answer."""

    abstract = True
    connection_timeout = network_timeout = TIMEOUT_S
    headers = {"Content-Type": "application/json"}  # noqa: RUF012  # Locust's users are instances; none changes it
    title = ""
    payloads = staticmethod(payloads.singles)

    def on_start(self) -> None:
        """Begin at a time of one's own: all users are made at once."""
        self.due = perf_counter()
        sleep(self.wait_time())

    def wait_time(self) -> float:
        """Seconds until the next request is due; none if the last answer came later than that."""
        now = perf_counter()
        self.due = max(now, self.due + random.expovariate(shapes.REQUESTS_A_SECOND_A_USER))
        return self.due - now

    @task
    def predict(self) -> None:
        payload = random.choice(self.payloads())
        with self.client.post(
            "/predict", payload.body, name=self.title, headers=self.headers, catch_response=True
        ) as answer:
            if why := failure(answer, payload):
                answer.failure(Failed(why))


class Single(Caller):
    """One image, on a connection that is kept."""

    weight = 8
    title = "single"


class Batch(Caller):
    """Ten images a request."""

    weight = 1
    title = "batch of 10"
    payloads = staticmethod(payloads.batches)


class NewConnection(Caller):
    """One image, on a connection that is made for it."""

    weight = 1
    title = "new connection"
    headers = Caller.headers | {"Connection": "close"}


def failure(answer: Any, payload: payloads.Payload) -> str:
    """Why an answer counts as failed; empty if it does not."""
    if answer.status_code == 0:
        return f"no answer: {answer.error!r}"
    if answer.status_code == 503 and "Retry-After" in answer.headers:
        return "refused: 503 with Retry-After"
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    return payload.failure(answer.content)


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    # Text, not paths: Locust's master sends all of these to its workers.
    parser.add_argument("--shape", choices=objectives.SHAPES, default="steady", help="how the load goes over time")
    parser.add_argument("--slo", default=str(objectives.PATH), help="the file of objectives")
    parser.add_argument("--duration", type=float, default=0, help="seconds, in place of the file's duration_s")
    parser.add_argument("--verdict", default="", help="where to write the verdict, too")


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Read the objectives, and take the shape that the command line names. A worker is told how many users it has."""
    watch = Watch(environment)
    if isinstance(environment.runner, WorkerRunner):
        return
    options = environment.parsed_options
    try:
        wanted = objectives.read(options.shape, Path(options.slo), options.duration)
    except objectives.ObjectivesError as error:
        sys.exit(str(error))
    environment.shape_class = shapes.make(options.shape, wanted, environment.runner, watch)
    environment.events.quitting.add_listener(lambda **_: decide(environment, wanted))


def decide(environment: Environment, wanted: objectives.Objectives) -> None:
    """Print the verdict, and make it the exit code."""
    options = environment.parsed_options
    # Who writes the CSV files comes round this often, and they must hold the last requests too.
    sleep(CSV_STATS_INTERVAL_SEC + 0.1)
    errors: Counter[str] = Counter()
    for one in environment.stats.errors.values():
        errors[str(one.error)] += one.occurrences
    figures, generator = environment.shape_class.judged()
    title = f"{options.shape} against {environment.host}: {figures.requests:,} requests in {figures.seconds:.0f} s"
    found = verdict.judge(title, figures, wanted, generator, errors)
    print(f"\n{found}", flush=True)
    if options.verdict:
        Path(options.verdict).write_text(f"{found}\n")
    environment.process_exit_code = found.exit_code
