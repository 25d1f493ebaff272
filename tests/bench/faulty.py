"""Services with a fault that is there on purpose, in gunicorn's form: `tests.bench.faulty:slower()`."""

from time import process_time

from flask import Flask

from app import model
from app.main import from_environment

SLOWER = 0.3


def slower() -> Flask:
    """Each prediction burns what makes its request cost 30 % more: that share of the CPU since the one before."""
    predict, ended = model.Engine.predict, process_time()

    def slowed(self, images):
        nonlocal ended
        probabilities = predict(self, images)
        now = process_time()
        while process_time() < now + SLOWER * (now - ended):
            pass
        ended = process_time()
        return probabilities

    app = from_environment()
    model.Engine.predict = slowed
    return app


def wrong() -> Flask:
    """The right digits with other probabilities."""
    predict = model.Engine.predict
    app = from_environment()
    model.Engine.predict = lambda self, images: predict(self, images) * 0.9
    return app
