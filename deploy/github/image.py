"""The image as a file: built once, it travels between jobs as an OCI archive, known by its digest.

`python -m deploy.github.image save IMAGE` and `load ARCHIVE IMAGE`. Needs docker and skopeo.
"""

import sys
import tempfile
from pathlib import Path

from deploy.github.step import DIST, StepError, digest, exit_code, output, run


def save(image: str) -> None:
    """Write an image to dist/image-ARCHITECTURE.tar; its digest is the output named after the architecture."""
    architecture = run("docker", "image", "inspect", "--format", "{{.Architecture}}", image)
    archive = DIST / f"image-{architecture}.tar"
    DIST.mkdir(exist_ok=True)
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=DIST) as folder:
        saved = f"{folder}/saved.tar"
        run("docker", "save", "--output", saved, image)
        # By way of a file, for an engine and a skopeo of different years do not always understand one another.
        run("skopeo", "copy", "--quiet", f"docker-archive:{saved}", f"oci-archive:{archive}")
    output(architecture, digest_of(archive))


def load(archive: Path, image: str) -> None:
    """Load an image from its archive, if it is the one of the environment's DIGEST. Raises StepError if it is not."""
    wanted = digest("DIGEST")
    if not archive.is_file():
        raise StepError(f"{archive} is not here. `make image-archive` writes it.")
    found = digest_of(archive)
    if found != wanted:
        raise StepError(f"{archive} holds {found}, not {wanted}: another image than the one to be tested")
    name = image if ":" in image.rpartition("/")[2] else f"{image}:latest"
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        loaded = f"{folder}/loaded.tar"
        run("skopeo", "copy", "--quiet", f"oci-archive:{archive}", f"docker-archive:{loaded}:{name}")
        run("docker", "load", "--input", loaded)
    print(f"{name} is {found}")


def digest_of(archive: Path) -> str:
    return run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci-archive:{archive}")


def main(arguments: list[str]) -> None:
    match arguments:
        case ["save", image]:
            save(image)
        case ["load", archive, image]:
            load(Path(archive), image)
        case _:
            raise StepError("say: save IMAGE, or: load ARCHIVE IMAGE")


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
