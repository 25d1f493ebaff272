"""The page as a caller gets it: who is sent it, with which headers. What it does in a browser is in tests/ui."""

import re

import pytest

from tests.serving import ROOT

UI = ROOT / "app" / "ui"
LIMIT_BYTES = 60_000
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def files():
    found = sorted(path.name for path in UI.iterdir() if path.suffix != ".html")
    assert len(found) > 3
    return found


@pytest.mark.parametrize("accept", [CHROMIUM, "text/html", "text/html, application/json", "TEXT/HTML"])
def test_who_names_html_gets_the_page(client, accept):
    answer = client.get("/", headers={"Accept": accept})
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert answer.headers["Vary"] == "Accept"
    assert answer.data == (UI / "page.html").read_bytes()


@pytest.mark.parametrize(
    "accept",
    [None, "*/*", "text/*", "application/json", "application/json, text/html;q=0.9", "text/html;q=0", "nonsense"],
)
def test_everyone_else_gets_json(client, accept):
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("path", ["/", "/docs", *(f"/ui/{name}" for name in files())])
def test_file_leaves_with_its_headers_and_is_sent_once(client, path):
    asked = {"Accept": "text/html"}
    answer = client.get(path, headers=asked)
    assert answer.status_code == 200
    assert dict(one.strip().split(" ", 1) for one in answer.headers["Content-Security-Policy"].split(";")) == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-cache"
    again = client.get(path, headers=asked | {"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(path, headers=asked | {"If-None-Match": '"another"'}).status_code == 200
    head = client.head(path, headers=asked)
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(answer.data))


def test_etag_is_that_of_the_content(client):
    assert len({client.get(f"/ui/{name}").headers["ETag"] for name in files()}) == len(files())


@pytest.mark.parametrize(
    "name", ["nothing.js", "..", "%2e%2e%2fpages.py", "..%5cpages.py", "page.html", "docs.html", "page.js%00", ""]
)
def test_what_is_no_part_of_a_page_is_404(client, name):
    answer = client.get(f"/ui/{name}")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")


def test_all_files_together_are_small():
    total = sum(path.stat().st_size for path in UI.iterdir())
    assert 10_000 < total <= LIMIT_BYTES


@pytest.mark.parametrize("page", ["page.html", "docs.html"])
def test_page_names_only_files_that_there_are(page):
    """Relative, so that the page works wherever a proxy puts it."""
    named = re.findall(r'(?:src|href)="([^"#]*)"', (UI / page).read_text())
    assert len(named) >= 3
    assert {name for name in named if name.startswith("ui/")} <= {f"ui/{name}" for name in files()}
    assert not [name for name in named if name.startswith(("/", "http:", "https:"))]
