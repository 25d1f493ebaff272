"""Fetching a Bundle from an address."""

import hashlib
import io
import tarfile

import pytest

from app import bundle
from app.fetch import main
from tests.serving import CHAMPION, web_server


def archive(files, mode="w:gz"):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


CHAMPION_FILES = {path.name: path.read_bytes() for path in CHAMPION.iterdir()}


@pytest.fixture
def serve(tmp_path):
    """A function that serves bytes on loopback, and gives their address and sha256."""
    (tmp_path / "web").mkdir()
    with web_server(tmp_path / "web") as (address, _):

        def publish(data):
            (tmp_path / "web" / "bundle.tar").write_bytes(data)
            return f"{address}/bundle.tar", hashlib.sha256(data).hexdigest()

        yield publish


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("folder", ["", "./", "run/bundle/"])
def test_bundle_is_fetched_and_verified(serve, tmp_path, mode, folder):
    address, sha256 = serve(archive({folder + name: data for name, data in CHAMPION_FILES.items()}, mode))
    assert main([address, sha256.upper(), str(tmp_path / "model")]) == 0
    assert bundle.read(tmp_path / "model") == bundle.read(CHAMPION)


def test_nothing_leaves_the_folder(serve, tmp_path):
    address, sha256 = serve(
        archive({"../../outside": b"x", **{f"../{name}": data for name, data in CHAMPION_FILES.items()}})
    )
    assert main([address, sha256, str(tmp_path / "a" / "model")]) == 0
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {*CHAMPION_FILES, "bundle.tar"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (archive({}), "manifest.json cannot be read"),
        (archive(CHAMPION_FILES | {"model.tflite": b"other"}), "was altered"),
        (b"no archive", "is no tar archive"),
        (archive(CHAMPION_FILES)[:-5000], "is no tar archive"),
    ],
)
def test_archive_without_a_good_bundle_is_refused(serve, tmp_path, capsys, data, reason):
    address, sha256 = serve(data)
    assert main([address, sha256, str(tmp_path / "model")]) == 1
    assert reason in capsys.readouterr().err


def test_other_sum_is_refused_and_nothing_written(serve, tmp_path, capsys):
    address, sha256 = serve(archive(CHAMPION_FILES))
    assert main([address, "0" * 64, str(tmp_path / "model")]) == 1
    assert f"has the sha256 {sha256}, not {'0' * 64}" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "file:///etc/passwd", "nonsense"])
def test_address_that_cannot_be_fetched(tmp_path, capsys, address):
    assert main([address, "0" * 64, str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {address}")


def test_usage():
    assert main([]) == 2
