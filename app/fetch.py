"""Fetch a Bundle before the service starts: `python -m app.fetch ADDRESS SHA256 FOLDER`.

The chart's init container runs this. Standard library only; imports app.bundle only.
"""

import hashlib
import io
import sys
import tarfile
import urllib.request
from pathlib import Path

from app.bundle import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, BundleError, read

LIMIT_BYTES = 200 * 1024 * 1024
TIMEOUT_S = 30
_FILES = (MODEL_FILE, MANIFEST_FILE, GOLDEN_FILE)


class FetchError(Exception):
    """The archive cannot be had, or is not the one that was asked for; the message says which."""


def fetch(address: str, sha256: str, folder: Path) -> None:
    """Download a .tar or .tar.gz, check its sha256, and write its Bundle into a folder.

    Raises FetchError, or BundleError if the archive holds no Bundle.
    """
    data = _download(address)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256.lower():
        raise FetchError(f"{address} has the sha256 {found}, not {sha256}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _files(data, address).items():
        (folder / name).write_bytes(content)
    read(folder)


def _download(address: str) -> bytes:
    if not address.startswith(("http://", "https://")):
        raise FetchError(f"{address} must start with http:// or https://.")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise FetchError(f"{address} cannot be fetched: {error}.") from error
    if len(data) > LIMIT_BYTES:
        raise FetchError(f"{address} holds more than {LIMIT_BYTES} bytes.")
    return data


def _files(data: bytes, address: str) -> dict[str, bytes]:
    """Take the Bundle's three files out of an archive by their names, in whatever folder, and nothing else."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                name = Path(member.name).name
                if name in _FILES and member.size <= LIMIT_BYTES and (file := archive.extractfile(member)):
                    found[name] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FetchError(f"{address} is no tar archive: {error}.") from error
    return found


def main(arguments: list[str]) -> int:
    """Fetch; give the exit code, 1 with one line that says what was wrong."""
    if len(arguments) != 3:
        print("usage: python -m app.fetch ADDRESS SHA256 FOLDER", file=sys.stderr)
        return 2
    address, sha256, folder = arguments
    try:
        fetch(address, sha256, Path(folder))
    except (FetchError, BundleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
