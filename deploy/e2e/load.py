"""The load of the end-to-end test, run in a pod: `python load.py HOST PORT THREADS REQUESTS_A_SECOND`.

Half of the threads keep their connections, half make a new one for each request. Each request is a golden image, and
an answer that is not 200 or names another digit is a failure; nothing is ever tried again. Totals are in
/tmp/totals.json, written anew each half second.
"""

import http.client
import json
import sys
import threading
import time
from pathlib import Path

CASES = json.loads(Path("/srv/deploy/model/golden.json").read_text())["cases"]
TIMEOUT_S = 10
totals = {"kept": {"ok": 0, "failed": 0}, "new": {"ok": 0, "failed": 0}, "errors": []}
lock = threading.Lock()


def ask(connection: http.client.HTTPConnection, case: dict) -> bool:
    """Send one request; give whether the server keeps the connection. Raises if the answer is wrong in any way."""
    connection.request("POST", "/predict", json.dumps({"image": case["image"]}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or json.loads(body)["prediction"] != case["label"]:
        raise ValueError(f"{answer.status} {body[:200]!r}")
    return not answer.will_close


def run(host: str, port: int, kind: str, pause_s: float) -> None:
    """Ask for ever, one request each pause."""
    connection = None
    turn = 0
    while True:
        started = time.monotonic()
        turn += 1
        connection = connection or http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            kept = ask(connection, CASES[turn % len(CASES)])
            with lock:
                totals[kind]["ok"] += 1
        except (OSError, http.client.HTTPException, ValueError) as error:
            kept = False
            with lock:
                totals[kind]["failed"] += 1
                totals["errors"] = [*totals["errors"][-9:], f"{time.strftime('%X')} {kind}: {error!r}"]
        if kind == "new" or not kept:
            connection.close()
            connection = None
        time.sleep(max(0.0, pause_s - (time.monotonic() - started)))


def main() -> None:
    """Start the threads and keep the totals."""
    host, port, threads, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    for index in range(threads):
        kind = "new" if index % 2 else "kept"
        threading.Thread(target=run, args=(host, port, kind, threads / rate), daemon=True).start()
    while True:
        time.sleep(0.5)
        with lock:
            text = json.dumps(totals)
        Path("/tmp/totals.new").write_text(text)
        Path("/tmp/totals.new").replace("/tmp/totals.json")


main()
