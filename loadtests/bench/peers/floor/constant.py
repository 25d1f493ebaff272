"""What a request costs before anything is done with it: an answer of the service's size, whatever was asked.

`bare` is nothing but WSGI, `flask` the same behind a route of Flask's.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

ANSWER = os.environ["BENCH_ANSWER"].encode()


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


flask = Flask(__name__)


@flask.post("/predict")
def constant() -> Response:
    request.get_data()
    return Response(ANSWER, content_type="application/json")
