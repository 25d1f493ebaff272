"""gunicorn's configuration: what Settings does not name is decided here, with its reason.

Started as `gunicorn -c app/gunicorn.conf.py`.
"""

import os
import socket
import sys
from pathlib import Path
from typing import Any

# One thread a worker: nothing here gains from BLAS threads, and a process that forks must not own any.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# `gunicorn -c` starts in the repository's root, or the image's, but does not look for packages there by itself.
sys.path.insert(0, str(Path.cwd()))

from app import counts, logs
from app.config import Settings, SettingsError

try:
    settings = Settings.from_env(os.environ)
except SettingsError as error:
    sys.exit(f"mnist-api cannot start: {error}")

# Before prometheus_client is imported, which decides at its import where it counts.
try:
    metrics_dir = counts.make_folder(settings.metrics_dir)
except OSError as error:
    sys.exit(f"mnist-api cannot start: cannot make a folder for metrics: {error}. Set MNIST_METRICS_DIR.")

wsgi_app = "app.main:from_environment()"
worker_class = "app.worker.Worker"
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
workers = settings.workers
# A socket for each worker: of one that they share, whichever is awake first takes all connections that a client opens
# at once, and keeps them, while the others idle (`make profile`). Elsewhere than on Linux this would spread nothing.
reuse_port = settings.workers > 1 and sys.platform == "linux"
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


def on_starting(_server: Any) -> None:
    """Say so if the port is taken: sockets that share a port would share it with another service, too, and silently."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            sys.exit(f"mnist-api cannot start: MNIST_PORT={settings.port}: {error.strerror}")


def when_ready(server: Any) -> None:
    """Answer scrapes from the arbiter: it is idle while every worker is busy, and lives as long as the service."""
    from app import scrape

    server.scraped = scrape.Workers(metrics_dir)
    try:
        scrape.serve(settings.host, settings.metrics_port, server.scraped)
    except OSError as error:
        sys.exit(f"mnist-api cannot start: MNIST_METRICS_PORT={settings.metrics_port}: {error.strerror}")
    server.log.info("requests at http://%s", bind)
    server.log.info("metrics at http://%s:%d/metrics", settings.host, settings.metrics_port)


def child_exit(server: Any, worker: Any) -> None:
    """Keep the counts of a worker that ended, and count its end."""
    try:
        server.scraped.fold(worker.pid)
        ended = counts.take_mark(metrics_dir, worker.pid)
        server.app.wsgi().extensions["metrics"].worker.exited("ended" if ended else "crashed")
    except Exception:  # here, any would end the arbiter, and with it the service
        server.log.exception("the counts of worker %d are lost", worker.pid)
