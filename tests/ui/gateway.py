"""A proxy as stands before a service in a cluster: it puts the service under a path of its own."""

import http.client
import http.server
import threading
from contextlib import closing, contextmanager
from functools import partial

PREFIX = "/digits/"
_DROPPED = {"host", "connection", "transfer-encoding"}


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, port, asked, *arguments):
        self._port, self._asked = port, asked
        super().__init__(*arguments)

    def do_GET(self):
        self._pass_on()

    def do_POST(self):
        self._pass_on()

    def _pass_on(self):
        if not self.path.startswith(PREFIX):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._asked.append((self.headers.get("Content-Type"), body))
        headers = {name: text for name, text in self.headers.items() if name.lower() not in _DROPPED}
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as service:
            service.request(self.command, self.path.removeprefix(PREFIX[:-1]), body, headers)
            answer = service.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in _DROPPED:
                self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def gateway(port):
    """Serve what a port serves, under PREFIX; give the address, and the types and bodies that came, a growing list."""
    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, port, asked)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}", asked
        server.shutdown()
