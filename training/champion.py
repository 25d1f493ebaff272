"""The champion's place in the repository: `deploy/model`, its report beside it, and both in git's history.

Its files change here only, and so that being killed at any moment leaves what `recover` puts right.
"""

import contextlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from app import bundle
from training import TrainingError
from training.folder import BUNDLE

MODEL = Path("deploy/model")
REPORT = Path("deploy/report")  # named as in a run's folder


class ChampionError(TrainingError):
    """The repository does not hold the champion as it should; the message says what is wrong and what to do."""


def publish(out: Path, place: Path = MODEL) -> None:
    """Put the Bundle and the report of a run's folder, if it has one, into the champion's place."""
    with replacing(place) as folder:
        shutil.copytree(out / BUNDLE, folder / MODEL.name)
        if (out / REPORT.name).is_dir():
            shutil.copytree(out / REPORT.name, folder / REPORT.name, dirs_exist_ok=True)


@contextlib.contextmanager
def replacing(place: Path = MODEL) -> Iterator[Path]:
    """Give a folder for the next `model` and `report`; when the block ends well, they take the champion's places.

    The folder `report` is there, and left empty it stands for none. Raises BundleError if `model` is no Bundle.
    """
    recover(place)
    draft = _draft(place)
    (draft / REPORT.name).mkdir(parents=True)
    try:
        yield draft
        bundle.read(draft / MODEL.name)
        # From here on there is no way back: whoever is killed later is followed by one who goes on.
        draft.rename(_ready(place))
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    recover(place)


def recover(place: Path = MODEL) -> None:
    """Finish a replacement that was killed after its point of no return, or forget one that was killed before."""
    shutil.rmtree(_draft(place), ignore_errors=True)
    ready = _ready(place)
    if not ready.exists():
        return
    for new, old in ((ready / REPORT.name, place.with_name(REPORT.name)), (ready / MODEL.name, place)):
        if new.exists():  # or this one was done before the kill
            _take_place(new, old, ready / f"old-{old.name}")
    shutil.rmtree(ready)


def _take_place(new: Path, place: Path, away: Path) -> None:
    if place.exists():
        place.rename(away)
    if any(new.iterdir()):
        new.rename(place)
    else:
        new.rmdir()


def _draft(place: Path) -> Path:
    return place.with_name(f".{place.name}.draft")


def _ready(place: Path) -> Path:
    return place.with_name(f".{place.name}.ready")


def commit() -> str:
    """The commit that is checked out."""
    return _git("rev-parse", "HEAD").decode().strip()


def committed_sha256() -> str:
    """The sha256 of the model that is committed. Raises ChampionError if there is none."""
    sha256 = _sha256_at("HEAD")
    if sha256 is None:
        raise ChampionError(f"the commit that is checked out holds no Bundle in {MODEL}")
    return sha256


def is_committed() -> bool:
    """Whether the files of `deploy/model` are those of the commit that is checked out."""
    return not _git("status", "--porcelain", "--", str(MODEL))


def restore_from_history(sha256: str, folder: Path) -> bool:
    """Write the `model` and `report` of the newest commit with this model into a folder. False if there is none."""
    for found in _git("log", "--format=%H", "--", str(MODEL / bundle.MANIFEST_FILE)).decode().split():
        if _sha256_at(found) == sha256:
            held = _git("ls-tree", "--name-only", f"{found}:{MODEL.parent}").decode().split()
            names = [name for name in (MODEL.name, REPORT.name) if name in held]
            archive = _git("archive", "--format=tar", f"{found}:{MODEL.parent}", *names)
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(folder, filter="data")
            return True
    return False


def _sha256_at(revision: str) -> str | None:
    """The sha256 that a commit's manifest gives, or None if it has no manifest."""
    path = f"{MODEL.as_posix()}/{bundle.MANIFEST_FILE}"
    if not _git("ls-tree", revision, "--", path):
        return None
    try:
        sha256 = str(json.loads(_git("show", f"{revision}:{path}"))["model"]["sha256"])
    except (ValueError, KeyError, TypeError):
        return None
    return sha256 if re.fullmatch("[0-9a-f]{64}", sha256) else None


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout
    except OSError as error:
        raise ChampionError(f"git cannot be run: {error.strerror}. The champion is what is committed.") from error
    except subprocess.CalledProcessError as error:
        raise ChampionError(f"git {arguments[0]} failed: {error.stderr.decode().strip()}") from error
