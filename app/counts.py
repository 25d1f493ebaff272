"""The folder in which the workers count: new at each start, in memory where that is to be had, removed at the end.

Standard library only, and no other module of app: prometheus_client decides at its import where it counts.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "mnist-metrics-"


@cache  # gunicorn reads its configuration again at a reload, and the counts go on
def make_folder(parent: str) -> Path:
    """Make the folder, in `parent` or else in memory, and name it in VARIABLE. Raises OSError."""
    place = Path(parent or _memory())
    # One at a time, so that none takes another's new folder, not yet locked, for a left one.
    turn = _locked(place, fcntl.LOCK_EX)
    try:
        _remove_left(place)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        # Held by the arbiter and its workers: the kernel lets go of it when the last of them ends, however that is.
        _locked(folder, fcntl.LOCK_EX)
    finally:
        os.close(turn)
    os.environ[VARIABLE] = str(folder)
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove_left(place: Path) -> None:
    """Remove the folders of services that were killed: a container's memory outlives its processes."""
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            lock = _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it is in use, or another user's
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path, how: int) -> int:
    """Lock a folder until the descriptor that is returned is closed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _memory() -> str:
    """A file system in memory where there is one; otherwise the system's temporary folder."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


def _remove(folder: Path, owner: int) -> None:
    """Remove a folder when the arbiter ends; its workers, who inherit this call, leave it alone."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def mark_ended() -> None:
    """Leave a mark that this worker ended of itself: gunicorn does not tell the arbiter's hook how a worker ended."""
    (Path(os.environ[VARIABLE]) / f"{os.getpid()}.ended").touch()


def take_mark(folder: Path, pid: int) -> bool:
    """Whether a worker left its mark. Takes it away."""
    mark = folder / f"{pid}.ended"
    ended = mark.exists()
    mark.unlink(missing_ok=True)
    return ended
