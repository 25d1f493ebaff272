"""What the worker and the application tell each other of a request, beside what WSGI has them tell.

Imports no other module of app.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# What the application finds in the environ of the request that a greenlet handles, beside what gunicorn puts there.
told: ContextVar[dict[str, Any]] = ContextVar("told")


def between(app: Wsgi) -> Wsgi:
    """Tell the application what only its worker knows, and let it close a connection by a header gunicorn drops."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ.update(told.get())

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if ("Connection", "close") in headers:
                start_response.__self__.force_close()  # type: ignore[attr-defined]
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return wsgi
