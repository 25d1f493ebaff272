"""The pages: the files of app/ui, which load nothing from elsewhere and run no script but their own.

Imports no other module of app.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from flask import Response, abort, request

HTML = "text/html"
_FOLDER = Path(__file__).parent / "ui"
_TYPES = {".css": "text/css", ".html": HTML, ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The next deployment's page must not run with this one's script: a browser asks each time, and mostly gets a 304.
    "Cache-Control": "no-cache",
}


class _File(NamedTuple):
    content: bytes
    mimetype: str
    etag: str


def page(name: str) -> Response:
    """Answer a file of app/ui, or 304 to who has it already; 404 if there is no such file."""
    file = _files().get(name) or abort(404)
    response = Response(file.content, mimetype=file.mimetype, headers=_HEADERS)
    response.set_etag(file.etag)
    response.make_conditional(request)
    return response


def part(name: str) -> Response:
    """Answer a file that a page loads. A page itself is not: it has a path of its own, which its links start from."""
    return abort(404) if name.endswith(".html") else page(name)


def parts() -> dict[str, str]:
    """The types of all files that pages load, by their names."""
    return {name: file.mimetype for name, file in sorted(_files().items()) if file.mimetype != HTML}


def is_wanted() -> bool:
    """Whether the caller names HTML, and likes it no less than JSON. Tools accept anything, and are sent JSON."""
    accepted = request.accept_mimetypes
    is_named = HTML in map(str.lower, accepted.values())
    return is_named and accepted[HTML] >= accepted["application/json"] and accepted[HTML] > 0


@cache
def _files() -> dict[str, _File]:
    """Every file by its name: a caller's text is looked up, and never becomes a path."""
    contents = {path: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    return {
        path.name: _File(content, _TYPES[path.suffix], sha256(content).hexdigest()[:16])
        for path, content in contents.items()
    }
