"""An environment for each peer, of its own pins, made when it is first needed. Standard library only."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.catalogue import Peer

UV = Path(sys.executable).parent / "uv"


class LeftOut(Exception):
    """A peer that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Environment:
    """A folder with `bin`, and `home` for what its peer keeps between runs."""

    folder: Path
    home: Path

    @property
    def installed_mb(self) -> float:
        """What its packages take on the disk, without compiled files: these are the installer's choice."""
        files = (path for path in (self.folder / "lib").rglob("*") if path.suffix != ".pyc")
        return sum(path.lstat().st_size for path in files if path.is_file() or path.is_symlink()) / 1e6


def make(peer: Peer, home: Path) -> Environment:
    """Make a peer's environment under `home`, unless it is there with these pins. Raises LeftOut."""
    if peer.left_out:
        raise LeftOut(peer.left_out)
    name = peer.name if peer.is_peer else "service"
    made = Environment(home / name / "environment", home / name)
    pins = hashlib.sha256(peer.requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = made.home / "installed"
    if not (stamp.exists() and stamp.read_text() == pins):
        made.home.mkdir(parents=True, exist_ok=True)
        _run(peer, "venv", "--clear", "--python", sys.executable, str(made.folder))
        where = ("--python", str(made.folder / "bin" / "python"), "--compile-bytecode")
        _run(peer, "pip", "install", *where, "--require-hashes", "--requirement", str(peer.requirements))
        stamp.write_text(pins)
    return made


def _run(peer: Peer, *arguments: str) -> None:
    ended = subprocess.run([UV, "--quiet", *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        reason = " ".join(ended.stderr.split())
        raise LeftOut(f"{peer.requirements.name} of {peer.name} cannot be installed here: {reason[:300]}")
