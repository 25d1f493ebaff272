"""Services with a fault that is there on purpose, in gunicorn's form: `tests.load.faulty:slow()`."""

import os
import time
from collections import Counter

from flask import Flask, Response, request

from app.main import from_environment

SLOW_S = 0.2
# One in so many predictions is wrong, fails, or is refused.
ONE_IN = 20
TAKEN_A_SECOND = 40
LEAK_BYTES = 256 * 1024
kept: list[object] = []
turns = iter(range(2**62))


def is_its_turn() -> bool:
    return request.path == "/predict" and next(turns) % ONE_IN == ONE_IN - 1


def slow() -> Flask:
    app = from_environment()

    @app.before_request
    def wait():
        if request.path == "/predict":
            time.sleep(SLOW_S)

    return app


def wrong() -> Flask:
    """Another digit now and then, with status 200."""
    app = from_environment()

    @app.after_request
    def lie(response):
        if is_its_turn():
            answer = response.get_data(as_text=True)
            digit = answer.partition('"prediction":')[2][0]
            response.set_data(answer.replace(f'"prediction":{digit}', f'"prediction":{(int(digit) + 1) % 10}', 1))
        return response

    return app


def failing() -> Flask:
    app = from_environment()

    @app.before_request
    def fail():
        if is_its_turn():
            raise RuntimeError("on purpose")

    return app


def refusing() -> Flask:
    app = from_environment()

    @app.before_request
    def refuse():
        return Response(status=503, headers={"Retry-After": "1"}) if is_its_turn() else None

    return app


def limited() -> Flask:
    """Each worker takes so many predictions in a second of the clock, and refuses more."""
    app = from_environment()
    taken: Counter[int] = Counter()

    @app.before_request
    def limit():
        second = int(time.time())
        taken[second] += request.path == "/predict"
        return Response(status=503, headers={"Retry-After": "1"}) if taken[second] > TAKEN_A_SECOND else None

    return app


def leaking() -> Flask:
    """Memory and a file descriptor are lost now and then."""
    app = from_environment()

    @app.before_request
    def leak():
        if is_its_turn():
            kept.append((bytearray(os.urandom(16) * (LEAK_BYTES // 16)), os.dup(0)))

    return app
