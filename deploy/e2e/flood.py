"""A flood of the largest batches, run in a pod: `python flood.py HOST PORT CONNECTIONS SECONDS`.

For the first half of the time, each connection holds back its body's last byte: a server that reads them all at once
must keep them all. After that they are sent as fast as they are answered. Prints what came back, by status; a
connection that broke counts as "broken".
"""

import collections
import http.client
import json
import sys
import threading
import time
from pathlib import Path

IMAGE = json.loads(Path("/srv/deploy/model/golden.json").read_text())["cases"][7]["image"]
# Digits without end bring 128 images to just under the largest body that is taken.
ROW = "[" + ",".join(f"{pixel:.37f}" for pixel in IMAGE) + "]"
BODY = ('{"images": [' + ",".join([ROW] * 128) + "]}").encode()
answers: collections.Counter = collections.Counter()


def run(host: str, port: int, hold_until: float, until: float) -> None:
    """Send one batch after the other, each on a new connection."""
    while time.monotonic() < until:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        try:
            connection.putrequest("POST", "/predict")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders(BODY[:-1])
            time.sleep(max(0.0, hold_until - time.monotonic()))
            connection.send(BODY[-1:])
            answer = connection.getresponse()
            answer.read()
            answers[str(answer.status)] += 1
        except (OSError, http.client.HTTPException):
            answers["broken"] += 1
        finally:
            connection.close()


def main() -> None:
    """Flood, and print the counts."""
    host, port, connections, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    now = time.monotonic()
    times = (now + seconds / 2, now + seconds)
    threads = [threading.Thread(target=run, args=(host, port, *times)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"body_bytes": len(BODY), **answers}))


main()
