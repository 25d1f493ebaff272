"""The bridge from Alertmanager to GitHub: a drift alert that fires becomes a repository_dispatch, which retrains.

Listens for Alertmanager's webhook at POST /alerts and tells GitHub no more than the names of known alerts. GitHub's
token is read from its file at each use, so that whoever rotates it need not restart this. Standard library only.
"""

import argparse
import http.client
import json
import re
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

# The alerts that a new training can answer.
DRIFT = {
    "MnistModelClassDrift",
    "MnistModelConfidenceDrift",
    "MnistModelIntensityDrift",
    "MnistModelConfidenceDrop",
}
EVENT = "drift"
MOST_BYTES = 1_000_000
TIMEOUT_S = 10
TAKEN = 204  # GitHub's answer to an event that it took


class BadRequest(Exception):
    """What was sent is no message of Alertmanager's; the message says what was wrong."""


class Refused(Exception):
    """GitHub did not take the event; the message says why."""


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would hand the token to wherever it leads, and ask there with GET."""

    def redirect_request(self, *_: Any) -> None:
        """Nothing, by which the redirect itself becomes the answer."""


ASK = urllib.request.build_opener(Stay)


def firing(body: bytes) -> set[str]:
    """The known drift alerts that fire in a message of Alertmanager's. Raises BadRequest."""
    try:
        alerts = json.loads(body)["alerts"]
        return DRIFT & {alert["labels"]["alertname"] for alert in alerts if alert["status"] == "firing"}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadRequest(f"not a message of Alertmanager's webhook: {error!r}") from error


@dataclass
class Dispatcher:
    """Sends events to a repository, one in `every_s` seconds at most."""

    url: str
    token_file: Path
    every_s: float
    _sent_s: float = float("-inf")
    _lock: Lock = field(default_factory=Lock)

    def send(self, alerts: set[str]) -> bool:
        """Send one event that names these alerts. False if one was sent recently. Raises Refused."""
        with self._lock:
            if time.monotonic() - self._sent_s < self.every_s:
                return False
            self._post({"event_type": EVENT, "client_payload": {"alerts": sorted(alerts)}})
            self._sent_s = time.monotonic()
            return True

    def _post(self, event: dict[str, Any]) -> None:
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
            "User-Agent": "mnist-api-bridge",
        }
        try:
            request = urllib.request.Request(self.url, json.dumps(event).encode(), headers)
            with ASK.open(request, timeout=TIMEOUT_S) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"{self.url} cannot be asked: {error}") from error
        # Never the body: a proxy's page might repeat what was sent.
        if status != TAKEN:
            raise Refused(f"GitHub answers {status} to {self.url}")

    def _token(self) -> str:
        """The token of the file. Raises Refused, without a word of it, if no header could hold what is there."""
        try:
            token = self.token_file.read_bytes().strip()
        except OSError as error:
            raise Refused(f"the token's file {self.token_file} cannot be read: {error.strerror}") from error
        if not re.fullmatch(rb"[!-~]+", token):
            raise Refused(f"the token's file {self.token_file} does not hold one word and nothing else")
        return token.decode()


class Handler(BaseHTTPRequestHandler):
    """Answers 202 if GitHub was told, 200 if there is nothing to tell, 502, which Alertmanager tries again, if not."""

    dispatcher: Dispatcher
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404, "POST Alertmanager's webhook to /alerts")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/alerts":
            self._answer(404, "POST Alertmanager's webhook to /alerts")
        elif not length.isdigit() or int(length) > MOST_BYTES:
            self._answer(413, f"send a Content-Length of at most {MOST_BYTES} bytes")
        else:
            self._answer(*self._told(self.rfile.read(int(length))))

    def _told(self, body: bytes) -> tuple[int, str]:
        try:
            if not (alerts := firing(body)):
                return 200, "no drift alert fires"
            if not self.dispatcher.send(alerts):
                return 200, "GitHub was told recently"
        except BadRequest as error:
            return 400, str(error)
        except Refused as error:
            return 502, str(error)
        return 202, f"GitHub was told of {', '.join(sorted(alerts))}"

    def _answer(self, status: int, message: str) -> None:
        body = f"{message}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.command == "POST":
            print(f"{status} {message}", flush=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: what was decided is printed instead, and probes are not."""


def main() -> None:
    """Listen until stopped."""
    parser = argparse.ArgumentParser(description="Tell GitHub of Alertmanager's drift alerts.")
    parser.add_argument("repository", help="owner/name")
    parser.add_argument("--token-file", type=Path, required=True, help="file with a token that may write its contents")
    parser.add_argument("--every-s", type=float, default=86_400, help="seconds between events (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9095, help="port to listen on (default: %(default)s)")
    parser.add_argument("--github", default="https://api.github.com", help="GitHub's API (default: %(default)s)")
    given = parser.parse_args()
    if not given.token_file.is_file():
        sys.exit(f"The token's file {given.token_file} is not here.")
    url = f"{given.github}/repos/{given.repository}/dispatches"
    Handler.dispatcher = Dispatcher(url, given.token_file, given.every_s)
    with ThreadingHTTPServer((given.host, given.port), Handler) as server:
        print(f"listening on {given.host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
