"""Load on the service, and a verdict: `make load`.

Starts the service on this machine if no host is given. Locust runs in a process of its own, whose exit code this gives.
"""

import argparse
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from loadtests import objectives, results
from loadtests.results import VERDICT
from loadtests.service import ROOT, Service

LOCUSTFILE = ROOT / "loadtests" / "locustfile.py"
LOG = "locust.log"
LAST_WORDS = 2000


def locust(host: str, shape: str, slo: Path, duration_s: float, out: Path, processes: int = 1) -> int:
    """Send a shape's load to a host, write results into a folder, print the verdict; give 0 if it is a pass."""
    out.mkdir(parents=True)
    command = [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--host", host),
        *("--shape", shape, "--slo", str(slo), "--duration", str(duration_s), "--verdict", str(out / VERDICT)),
        *("--csv", str(out / "load"), "--html", str(out / "report.html"), "--exit-code-on-error", "1"),
        *(("--processes", str(processes)) if processes > 1 else ()),
    ]
    # Locust tells there how the load goes on; the verdict is on standard output.
    with (out / LOG).open("w") as log:
        code = subprocess.run(command, cwd=ROOT, stderr=log, check=False).returncode
    if not (out / VERDICT).exists():
        print(f"FAILED: no verdict. The end of {out / LOG}:\n{(out / LOG).read_text()[-LAST_WORDS:]}")
        return code or 1
    return code


def main() -> int:
    """Give 0 if the verdict is a pass."""
    parser = argparse.ArgumentParser("python -m loadtests.run", description="Load the service and judge it.")
    parser.add_argument("--host", default="", help="address of a running service (default: one is started)")
    parser.add_argument("--shape", choices=objectives.SHAPES, default="steady", help="(default: %(default)s)")
    parser.add_argument("--slo", type=Path, default=objectives.PATH, help="the file of objectives")
    parser.add_argument("--duration", type=float, default=0, help="seconds, in place of the file's duration_s")
    parser.add_argument("--processes", type=int, default=1, help="load generators (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for the results (default: a new one in runs/load)")
    given = parser.parse_args()
    if given.host and not given.host.startswith(("http://", "https://")):
        sys.exit(f"HOST={given.host} is no address of a service: send http://… or https://…, or none to start one here")
    try:
        duration_s = objectives.read(given.shape, given.slo, given.duration).duration_s
    except objectives.ObjectivesError as error:
        sys.exit(str(error))
    out = given.out or results.folder(given.shape)
    with ExitStack() as stack:
        host = given.host
        if not host:
            service = Service()
            stack.callback(service.stop)
            host = f"http://127.0.0.1:{service.port}"
        print(f"Load goes to {host}: {given.shape}, {duration_s:g} s. Results: {out}", flush=True)
        return locust(host, given.shape, given.slo, given.duration, out, given.processes)


if __name__ == "__main__":
    sys.exit(main())
