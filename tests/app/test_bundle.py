"""The Bundle on disk: what is written is read, and what was spoilt is refused with a reason."""

import json
import shutil
from pathlib import Path

import pytest

from app import bundle
from app.bundle import BundleError, Golden, GoldenCase
from tests.serving import CHAMPION


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(CHAMPION, tmp_path / "model"))


def test_what_is_written_is_read(tmp_path):
    golden = Golden(1e-4, [GoldenCase(3, [0.0] * 784, [0.1] * 10)])
    written = bundle.write(
        tmp_path / "new",
        model=b"bytes",
        golden=golden,
        name="test",
        input_shape=[-1, 784],
        metrics={"accuracy": 0.5},
        reference=bundle.read(CHAMPION).manifest.reference,
        lineage={"dataset": "digits"},
    )
    assert bundle.read(tmp_path / "new") == written
    assert written.manifest.version.endswith(written.manifest.sha256[:8])


def test_existing_folder_is_not_overwritten(folder):
    champion = bundle.read(folder)
    values = champion.manifest.to_dict()
    kept = {key: values[key] for key in ("name", "metrics", "reference", "lineage")}
    with pytest.raises(FileExistsError):
        bundle.write(folder, model=b"", golden=champion.golden, input_shape=[-1, 784], **kept)
    assert bundle.read(folder) == champion


@pytest.mark.parametrize("name", ["manifest.json", "golden.json", "model.tflite"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} cannot be read: No such file"):
        bundle.read(folder)


@pytest.mark.parametrize("name", ["golden.json", "model.tflite"])
def test_altered_file_is_named_with_both_sums(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1])
    with pytest.raises(
        BundleError, match=rf"{name} was altered: its sha256 is [0-9a-f]{{64}}, the manifest says [0-9a-f]{{64}}"
    ):
        bundle.read(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "has schema 2; this version reads schema 1"),
        ({"schema": None}, "has schema None"),
        ({"extra": 1}, "unknown keys: extra"),
        ({"lineage": None}, "lacks lineage"),
        ({"model": {}}, "`model` must be an object with file and sha256"),
        ({"golden": "x"}, "`golden` must be an object"),
    ],
)
def test_wrong_manifest_says_what_is_wrong(folder, change, reason):
    manifest = json.loads((folder / "manifest.json").read_text()) | change
    if manifest["lineage"] is None:
        del manifest["lineage"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=reason):
        bundle.read(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense", "\xff"])
def test_manifest_that_is_no_json_object(folder, text):
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(BundleError, match=r"manifest.json (is not JSON|must hold)"):
        bundle.read(folder)


def test_manifest_cannot_point_outside_its_folder(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model"]["file"] = "../../../etc/passwd"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"model/passwd cannot be read"):
        bundle.read(folder)


@pytest.mark.parametrize(
    "golden",
    [
        {},
        {"tolerance": 1, "cases": []},
        {"tolerance": "x", "cases": [{"label": 1, "image": [0] * 784, "probabilities": [0] * 10}]},
        {"tolerance": 1, "cases": [{"label": 1, "image": [0] * 783, "probabilities": [0] * 10}]},
        {"tolerance": 1, "cases": [{"label": 1, "image": [0] * 784}]},
        {"tolerance": 1, "cases": [1]},
    ],
)
def test_golden_that_is_none_is_refused(folder, golden):
    with pytest.raises(BundleError, match=r"golden.json"):
        bundle._parse_golden(json.dumps(golden).encode(), folder / "golden.json")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reference: reference.clear(),
        lambda reference: reference["class_ratio"].pop(),
        lambda reference: reference["confidence"]["upper_edges"].pop(0),
        lambda reference: reference["intensity"]["ratio"].pop(),
        lambda reference: reference.update(intensity=None),
    ],
)
def test_reference_that_live_traffic_cannot_be_compared_with_is_refused(folder, spoil):
    manifest = json.loads((folder / "manifest.json").read_text())
    spoil(manifest["reference"])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="`reference` must hold 10 class ratios"):
        bundle.read(folder)
