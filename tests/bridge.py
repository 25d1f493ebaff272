"""The bridge as a process, and a stand-in for GitHub's API that keeps what it receives."""

import http.client
import json
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.serving import ROOT, START_TIMEOUT_S, free_port


class GitHub:
    """Answers each POST with the next of `answers`, or 204, and appends path, headers and body to `received`.

    An answer that redirects leads to /elsewhere, where a GET is answered with 200 and is in `received` too. `arrived`
    can be acquired once for each POST.
    """

    def __init__(self):
        self.received, self.answers = [], []
        self.arrived = threading.Semaphore(0)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.received.append((self.path, dict(self.headers), body))
                self.send_response(outer.answers.pop(0) if outer.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                outer.arrived.release()

            def do_GET(self):
                outer.received.append((self.path, dict(self.headers), None))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Bridge:
    """deploy/alertmanager/bridge.py on a free port, with the token "first"."""

    def __init__(self, github, folder, *options):
        self.port, self.token_file = free_port(), folder / "token"
        self.token_file.write_text("first\n")
        program = ROOT / "deploy" / "alertmanager" / "bridge.py"
        given = [f"--token-file={self.token_file}", f"--port={self.port}", f"--github={github}", *options]
        self._process = subprocess.Popen(
            [sys.executable, program, "owner/name", *given], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), line

    def ask(self, method, path, body=None, headers=None):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, body, headers=None):
        return self.ask("POST", "/alerts", body, headers)

    def stop(self):
        """End it, and give what it said."""
        self._process.terminate()
        return self._process.communicate(timeout=START_TIMEOUT_S)[0] if not self._process.stdout.closed else ""


def message(*alerts, status="firing"):
    """What Alertmanager sends of these alerts, as far as it matters."""
    return json.dumps({"version": "4", "alerts": [{"status": status, "labels": {"alertname": one}} for one in alerts]})
