"""The two ways in which a request is answered: by the hot lane, or by gunicorn's parser and writer around Flask.

Both are what the worker calls, on the bytes that a socket would bring.
"""

import http.client
import io
from time import perf_counter

from flask.testing import EnvironBuilder, FlaskClient
from gunicorn.config import Config
from gunicorn.http import get_parser, wsgi

from app import framing
from app.framing import NOT_PLAIN

# A field that says nothing, but that the lane leaves to the others.
NOT_HOT = {"Content-Language": "en"}
HERE = ("127.0.0.1", 5000)
CONFIG = Config()  # gunicorn's, which takes longer to make than a request to answer


def by_lane(app, data):
    """The lane's answer to the first request in data; None if it has none."""
    frame = framing.find(data)
    if not frame or frame is NOT_PLAIN or frame.length > len(data):
        return None
    end = len(frame.head)
    return app.extensions["lane"].answer(data[:end], data[end + 2 : frame.length], perf_counter(), overloaded=False)


def by_flask(app, data):
    """What gunicorn writes for Flask's answer to the first request in data, and the data that come after it."""
    written = _Written()
    parser = get_parser(CONFIG, iter([data]), HERE)
    response, environ = wsgi.create(next(parser), written, HERE, HERE, CONFIG)
    answer = app(environ, response.start_response)
    for part in answer:
        response.write(part)
    response.close()
    answer.close()
    return written.getvalue(), parser.unreader.take_buffered()


class _Written(io.BytesIO):
    sendall = io.BytesIO.write


def read(answer):
    """An answer's status, headers and body."""
    response = http.client.HTTPResponse(_Received(answer))
    response.begin()
    return response.status, response.getheaders(), response.read()


class _Received:
    def __init__(self, data):
        self._data = data

    def makefile(self, _mode):
        return io.BytesIO(self._data)


class LaneClient(FlaskClient):
    """Flask's test client, whose requests try the lane first, as in the worker."""

    def open(self, *arguments, **named):
        request = EnvironBuilder(self.application, *arguments, **named).get_request()
        data = request.environ["wsgi.input"].read()
        target = request.path + (f"?{request.query_string.decode()}" if request.query_string else "")
        lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
        head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
        answer = by_lane(self.application, head + data)
        if answer is None:
            request.environ["wsgi.input"] = io.BytesIO(data)
            return super().open(request)
        status, headers, body = read(answer)
        return self.response_wrapper([body], str(status), headers, request=request)
