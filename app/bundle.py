"""The Bundle: one deployable model in a folder, as `model.tflite`, `manifest.json` and `golden.json`.

Owns what a Bundle is, how it is written and when it is refused: serving reads Bundles, training writes them.
Standard library only; imports no other module of app.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = 1
MODEL_FILE = "model.tflite"
MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.json"

# Upper edges of the histograms in `reference`. The service's histograms use the same ones, so that live traffic and
# reference can be compared bucket by bucket. Confidence crowds against 1; mean pixel intensity of a digit is 0.05..0.3.
CONFIDENCE_EDGES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
INTENSITY_EDGES = (0.02, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25, 0.3, 0.5, 1.0)


class BundleError(Exception):
    """A folder is not a Bundle that can be served; the message says what is wrong with it."""


@dataclass(frozen=True)
class Manifest:
    """What is known of a model: which file, what it takes, how good it is and where it comes from."""

    schema: int
    name: str
    version: str
    created: str
    model: dict[str, Any]
    golden: dict[str, Any]
    input: dict[str, Any]
    labels: list[str]
    metrics: dict[str, Any]
    reference: dict[str, Any]
    lineage: dict[str, Any]

    @property
    def sha256(self) -> str:
        """The model file's sha256: the one identity that is seen everywhere."""
        return str(self.model["sha256"])

    @property
    def created_s(self) -> float:
        """When it was made, in seconds since 1970."""
        return datetime.fromisoformat(self.created).timestamp()

    @property
    def dataset(self) -> str:
        return str(self.lineage["dataset"])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class GoldenCase:
    """One real image, 784 numbers in 0..1, and the 10 probabilities that the model must answer."""

    label: int
    image: list[float]
    probabilities: list[float]


@dataclass(frozen=True)
class Golden:
    """The Bundle's self-check: cases, and how far each probability may be off."""

    tolerance: float
    cases: list[GoldenCase]


@dataclass(frozen=True)
class Bundle:
    """A Bundle in memory, its checksums verified."""

    manifest: Manifest
    golden: Golden
    model: bytes


def write(
    folder: Path,
    *,
    model: bytes,
    golden: Golden,
    name: str,
    input_shape: list[int],
    metrics: dict[str, Any],
    reference: dict[str, Any],
    lineage: dict[str, Any],
) -> Bundle:
    """Write a Bundle into a new folder and return it. Raises FileExistsError if the folder is there already."""
    golden_bytes = json.dumps(asdict(golden), allow_nan=False).encode()
    created = datetime.now(UTC)
    described = _describe(MODEL_FILE, model)
    manifest = Manifest(
        schema=SCHEMA,
        name=name,
        version=f"{created:%Y.%m.%d}-{described['sha256'][:8]}",
        created=f"{created:%Y-%m-%dT%H:%M:%SZ}",
        model=described,
        golden=_describe(GOLDEN_FILE, golden_bytes),
        input={"shape": input_shape, "dtype": "float32", "range": [0, 1], "ink": "white on black"},
        labels=[str(digit) for digit in range(10)],
        metrics=metrics,
        reference=reference,
        lineage=lineage,
    )
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(model)
    (folder / GOLDEN_FILE).write_bytes(golden_bytes)
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest.to_dict(), indent=2, allow_nan=False) + "\n")
    return Bundle(manifest, golden, model)


def read(folder: Path) -> Bundle:
    """Read a Bundle and verify its checksums. Raises BundleError, with a sentence that says what is wrong."""
    manifest = _parse_manifest(_read_file(folder / MANIFEST_FILE), folder / MANIFEST_FILE)
    model = _read_verified(folder, manifest.model)
    golden = _parse_golden(_read_verified(folder, manifest.golden), folder / GOLDEN_FILE)
    return Bundle(manifest, golden, model)


def _describe(name: str, data: bytes) -> dict[str, Any]:
    return {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read: {error.strerror}. A Bundle holds {MODEL_FILE}, {MANIFEST_FILE} and {GOLDEN_FILE}."
        ) from error


def _read_verified(folder: Path, described: dict[str, Any]) -> bytes:
    """Read one file of the Bundle; raise BundleError unless its sha256 is the one that the manifest gives."""
    path = folder / Path(described["file"]).name
    data = _read_file(path)
    found = hashlib.sha256(data).hexdigest()
    if found != described["sha256"]:
        raise BundleError(f"{path} was altered: its sha256 is {found}, the manifest says {described['sha256']}.")
    return data


def _parse_json(data: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise BundleError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path} must hold a JSON object.")
    return value


def _parse_manifest(data: bytes, path: Path) -> Manifest:
    value = _parse_json(data, path)
    if value.get("schema") != SCHEMA:
        raise BundleError(
            f"{path} has schema {value.get('schema')!r}; this version reads schema {SCHEMA}."
            " Make the Bundle anew with `make bundle`."
        )
    expected = {field.name for field in fields(Manifest)}
    if missing := expected - value.keys():
        raise BundleError(f"{path} lacks {', '.join(sorted(missing))}.")
    if unknown := value.keys() - expected:
        raise BundleError(f"{path} has unknown keys: {', '.join(sorted(unknown))}.")
    for key, inner in {
        "model": ("file", "sha256"),
        "golden": ("file", "sha256"),
        "input": ("shape",),
        "lineage": ("dataset",),
    }.items():
        if not isinstance(value[key], dict) or not set(inner) <= value[key].keys():
            raise BundleError(f"{path}: `{key}` must be an object with {' and '.join(inner)}.")
    _check_reference(value["reference"], path)
    return Manifest(**value)


def _check_reference(reference: Any, path: Path) -> None:
    """Refuse a reference that live traffic cannot be compared with, bin by bin."""
    expected = {"confidence": CONFIDENCE_EDGES, "intensity": INTENSITY_EDGES}
    try:
        fits = len(reference["class_ratio"]) == 10 and all(
            tuple(reference[what]["upper_edges"]) == edges and len(reference[what]["ratio"]) == len(edges)
            for what, edges in expected.items()
        )
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise BundleError(
            f"{path}: `reference` must hold 10 class ratios, and ratios of confidence and intensity for the histogram"
            " edges of this version. Make the Bundle anew with `make bundle`."
        )


def _parse_golden(data: bytes, path: Path) -> Golden:
    value = _parse_json(data, path)
    try:
        golden = Golden(float(value["tolerance"]), [GoldenCase(**case) for case in value["cases"]])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{path} does not hold a tolerance and cases of label, image and probabilities: {error}."
        ) from error
    if not golden.cases:
        raise BundleError(f"{path} holds no case, so the model cannot be checked.")
    if any(len(case.image) != 784 or len(case.probabilities) != 10 for case in golden.cases):
        raise BundleError(f"{path}: each case must hold 784 numbers and 10 probabilities.")
    return golden
