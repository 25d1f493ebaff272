"""Runs the steps of an end-to-end test on a cluster of its own, and says what held."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence

from tools import Failed, run


def prove(steps: Sequence[Callable[[], None]], cluster: str, namespace: str) -> int:
    """Try each promise and print what was shown. Gives the exit code.

    The first step makes the cluster. It is deleted before and after, unless KEEP is set.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KUBECONFIG"] = f"{folder}/kubeconfig"
        _delete(cluster)
        try:
            for step in steps:
                print(f"[{time.monotonic() - started:4.0f} s] {step.__name__}: {step.__doc__}", flush=True)
                step()
        except (Failed, subprocess.TimeoutExpired) as error:
            print(f"FAILED: {error}")
            print(run("kubectl get pods --all-namespaces --output wide").stdout)
            print(run(f"kubectl get events --namespace {namespace} --sort-by=.lastTimestamp").stdout[-4000:])
            return 1
        finally:
            if not os.environ.get("KEEP"):
                _delete(cluster)
    print(f"[{time.monotonic() - started:4.0f} s] every promise held")
    return 0


def _delete(cluster: str) -> None:
    run(f"kind delete cluster --name {cluster}")
