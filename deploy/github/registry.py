"""The registry: what was tested is published under its commit, and a release is another name for the same digest.

`python -m deploy.github.registry publish|tested|release`. The name of a commit is there only after all its tests
passed; the name of a release is given once. Needs docker with buildx, and skopeo.
"""

import hashlib
import os
import sys
import time

from deploy.github.image import digest_of
from deploy.github.step import DIST, POLL_S, StepError, digest, exit_code, given, output, run, run_for_bytes, summarise

# Each with the variable that holds the digest that was tested.
ARCHITECTURES = {"amd64": "AMD64", "arm64": "ARM64"}
WAIT_S = 1800


def repository() -> str:
    """The image's name in the registry, in small letters, as registries want it."""
    return given("REGISTRY", "the image's name with its registry, as in ghcr.io/owner/mnist-api").lower()


def is_plain(name: str) -> bool:
    """Whether a registry speaks plain HTTP: one on this machine, as the tests use it."""
    return name.startswith(("127.0.0.1:", "localhost:"))


def found(reference: str) -> str | None:
    """The digest behind a name in the registry, or None if there is none. Raises StepError if it does not answer."""
    plain = ["--tls-verify=false"] if is_plain(reference) else []
    try:
        # Computed here: skopeo itself says it of images only, not of a chart.
        manifest = run_for_bytes("skopeo", "inspect", "--raw", *plain, f"docker://{reference}")
    except StepError as error:
        if "manifest unknown" in str(error) or "name unknown" in str(error):
            return None
        raise
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def publish() -> None:
    """Push the archives of dist/, and last of all the index over both, which bears the commit's name."""
    name, revision = repository(), given("REVISION", "the commit's sha")
    members = []
    for architecture, variable in ARCHITECTURES.items():
        wanted, archive = digest(variable), DIST / f"image-{architecture}.tar"
        if digest_of(archive) != wanted:
            raise StepError(f"{archive} is not {wanted}, which was tested")
        plain = ["--dest-tls-verify=false"] if is_plain(name) else []
        target = f"docker://{name}:{revision}-{architecture}"
        run("skopeo", "copy", "--quiet", "--preserve-digests", *plain, f"oci-archive:{archive}", target)
        members.append(f"{name}@{wanted}")
    run("docker", "buildx", "imagetools", "create", "--tag", f"{name}:{revision}", *members)
    output("digest", _required(f"{name}:{revision}"))
    output("repository", name)


def tested() -> None:
    """Wait for the image of a commit, which is there once its tests passed. Raises StepError after WAIT_S seconds."""
    reference = f"{repository()}:{given('REVISION', 'the commit to release')}"
    until = time.monotonic() + float(os.environ.get("WAIT_S") or WAIT_S)
    while not (at := found(reference)):
        if time.monotonic() >= until:
            raise StepError(f"{reference} is not there: the tests of that commit have not passed. See ci's run of it.")
        print(f"waiting for {reference}, which ci publishes once every test has passed", flush=True)
        time.sleep(POLL_S)
    output("digest", at)
    output("repository", repository())


def release() -> None:
    """Give a digest the name of a version. Raises StepError if that name is another's."""
    name, version, wanted = repository(), given("VERSION", "the version to release"), digest("DIGEST")
    at = found(f"{name}:{version}")
    if at not in {None, wanted}:
        raise StepError(f"{name}:{version} is released already, as {at}. Releases do not change: take a new version.")
    run("docker", "buildx", "imagetools", "create", "--tag", f"{name}:{version}", f"{name}@{wanted}")
    if (at := _required(f"{name}:{version}")) != wanted:
        raise StepError(f"{name}:{version} became {at}, not {wanted}, which was tested")
    summarise(f"{name}:{version} is {wanted}")


def _required(reference: str) -> str:
    at = found(reference)
    if at is None:
        raise StepError(f"{reference} was pushed, but is not there")
    return at


COMMANDS = {"publish": publish, "tested": tested, "release": release}


if __name__ == "__main__":
    sys.exit(exit_code(COMMANDS[sys.argv[1]]))
