"""gunicorn's configuration: what Settings does not name is decided here, with its reason.

Started as `gunicorn -c app/gunicorn.conf.py`.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

# One thread a worker: nothing here gains from BLAS threads, and a process that forks must not own any.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# `gunicorn -c` starts in the repository's root, or the image's, but does not look for packages there by itself.
sys.path.insert(0, str(Path.cwd()))

from app import logs
from app.config import Settings, SettingsError


def _memory_dir() -> str | None:
    """A file system in memory where there is one; otherwise the system's temporary folder."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _remove(folder: Path, owner: int) -> None:
    """Remove a folder when the arbiter ends; its workers, who inherit this call, leave it alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


try:
    settings = Settings.from_env(os.environ)
except SettingsError as error:
    sys.exit(f"mnist-api cannot start: {error}")

# Set before prometheus_client is imported, which decides at import how it counts. A new folder each start, so that
# counts of an earlier run are not added to this one's; the same one after a reload, which reads this file again.
_PREFIX = "mnist-metrics-"
metrics_dir = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""))
if not metrics_dir.name.startswith(_PREFIX):
    try:
        metrics_dir = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=settings.metrics_dir or _memory_dir()))
    except OSError as error:
        sys.exit(f"mnist-api cannot start: cannot make a folder for metrics: {error}. Set MNIST_METRICS_DIR.")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_dir)
    atexit.register(_remove, metrics_dir, os.getpid())

wsgi_app = "app.main:from_environment()"
worker_class = "app.worker.Worker"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
workers = settings.workers
worker_connections = settings.connections
keepalive = settings.keepalive_s
graceful_timeout = settings.shutdown_s
logconfig_dict = logs.config(settings.log_level)

# The model is loaded and checked once, before the fork: a Bundle that is wrong stops the start with one message, and
# a worker that dies is replaced in milliseconds.
preload_app = True
# It writes a socket into the home folder, which a read-only root file system refuses.
control_socket_disable = True
# Each worker proves that it lives by touching a file; on a disk, that can stall it.
worker_tmp_dir = str(metrics_dir.parent)


def when_ready(server: Any) -> None:
    """Answer scrapes from the arbiter: it is idle while every worker is busy, and lives as long as the service."""
    from app import metrics

    try:
        metrics.serve(settings.host, settings.metrics_port, metrics_dir)
    except OSError as error:
        sys.exit(f"mnist-api cannot start: MNIST_METRICS_PORT={settings.metrics_port}: {error.strerror}")
    server.log.info("metrics at http://%s:%d/metrics", settings.host, settings.metrics_port)
