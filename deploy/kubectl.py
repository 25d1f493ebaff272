"""A cluster by way of kubectl, which must be on the PATH. Standard library only."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any


class ClusterError(Exception):
    """What was asked of the cluster failed; the message says what and why."""


class Cluster:
    """A namespace of a cluster, by way of kubectl."""

    def __init__(self, context: str, namespace: str = "") -> None:
        """Name kubectl's context and the namespace, if not its current ones."""
        given = {"--context": context, "--namespace": namespace}
        self._command = ["kubectl", *(word for name, value in given.items() if value for word in (name, value))]

    def __call__(self, *arguments: str, given: str = "") -> str:
        """Run kubectl, with `given` on its standard input, and give what it prints. Raises ClusterError if it fails."""
        command = [*self._command, *arguments]
        ended = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise ClusterError(f"{' '.join(command)}: {ended.stderr.strip() or ended.stdout.strip()}")
        return ended.stdout

    def json(self, *arguments: str, given: str = "") -> Any:
        return json.loads(self(*arguments, "--output", "json", given=given))

    @contextlib.contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[str]:
        """Forward a free port of this machine to a target's, and give its address."""
        command = [*self._command, "port-forward", target, f":{port}"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True) as process:
            line = process.stdout.readline() if process.stdout else ""
            try:
                if not line.startswith("Forwarding from "):
                    raise ClusterError(f"{' '.join(command)}: {line.strip()}")
                yield f"http://{line.split()[2]}"
            finally:
                process.terminate()


def obstacle(pod: dict[str, Any]) -> str:
    """What keeps a pod from starting, in Kubernetes' words; empty if nothing does."""
    status = pod["status"]
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message", ""))
    for container in status.get("containerStatuses", []):
        waiting = container["state"].get("waiting", {})
        if waiting.get("message"):
            return f"{waiting['reason']}: {waiting['message']}"
    return ""


def exit_code(execute: Callable[[], int], *expected: type[Exception]) -> int:
    """Give a command's exit code: 1 and one line for a ClusterError or what else is expected, 130 on Ctrl-C."""
    try:
        return execute()
    except (ClusterError, *expected) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
