"""A registry that lets nobody in without a login: what stops, what it leaves, and that a second run finishes it."""

import pytest

from tests.delivery.conftest import running_registry

ACTOR, TOKEN = "somebody", "first"
# bcrypt of TOKEN, as registries want it: made once by crypt.crypt with the fewest rounds.
PASSWORDS = f"{ACTOR}:$2b$04$abcdefghijklmnopqrstuuvybHXQqehXl2NdtAhT6BAmwe6EZ8HOi\n"


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """The address of an empty registry that asks for a login."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "passwords").write_text(PASSWORDS)
    auth = {"htpasswd": {"realm": "registry", "path": str(folder / "passwords")}}
    with running_registry(folder, auth=auth) as address:
        yield address


@pytest.fixture
def given(closed, digests, tmp_path):
    """What the workflows give the steps, and a home that nobody has logged in from."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "GITHUB_ACTOR": ACTOR,
        "GITHUB_TOKEN": TOKEN,
        "REGISTRY": f"{closed}/owner/mnist-api",
        "REVISION": "c" * 40,
        "AMD64": digests["amd64"],
        "ARM64": digests["arm64"],
        "VERSION": "1.2.3",
        "DIGEST": digests["amd64"],
        "WAIT_S": "0",
    }


@pytest.mark.parametrize("target", ["publish-image", "tested-image", "release-image", "release-chart"])
def test_registry_that_refuses_stops_at_once_with_its_reason(checkout, given, target):
    ended = checkout.make(target, **given)
    assert ended.returncode != 0
    assert "authentication required" in ended.stderr
    assert "authentication required" in checkout.summary
    assert ended.outputs == {}


def test_wrong_token_is_refused_and_not_shown(checkout, given):
    ended = checkout.make("registry-login", **given | {"GITHUB_TOKEN": "another-one"})
    assert ended.returncode != 0
    assert "401 Unauthorized" in ended.stderr
    assert "another-one" not in ended.stdout + ended.stderr


def test_one_login_lets_every_step_in(checkout, given):
    """skopeo, docker and helm alike; and what was refused before is finished by a second run."""
    assert checkout.make("publish-image", **given).returncode != 0
    login = checkout.make("registry-login", **given)
    assert login.returncode == 0, login.stderr
    assert TOKEN not in (login.stdout + login.stderr).split()
    published = checkout.make("publish-image", **given)
    assert published.returncode == 0, published.stderr
    assert checkout.make("tested-image", **given).outputs == published.outputs
    release = given | {"DIGEST": published.outputs["digest"]}
    for target in ("release-image", "release-chart"):
        ended = checkout.make(target, **release)
        assert ended.returncode == 0, ended.stderr
    assert f"/owner/mnist-api:1.2.3 is {release['DIGEST']}\n" in checkout.summary
    assert "/owner/mnist-api/charts/mnist-api 1.2.3 is sha256:" in checkout.summary
