"""Pictures are made like MNIST so well that the champion reads them as it reads MNIST's own images."""

import numpy as np
import pytest

from app import model, normalize
from app.image import from_bytes
from tests.pictures import RENDERINGS, validation
from tests.serving import CHAMPION

EVERY = 5  # of the thousand images, to be done in seconds


@pytest.fixture(scope="module")
def champion():
    return model.load(CHAMPION)


@pytest.mark.parametrize("rendering", RENDERINGS)
def test_champion_reads_renderings_as_well_as_the_images_themselves(champion, rendering):
    images, labels = validation()
    images, labels = images[::EVERY], labels[::EVERY]
    random = np.random.default_rng(0)
    pictures = [np.ascontiguousarray(RENDERINGS[rendering](image, random)) for image in images]
    seen = np.stack([normalize.like_mnist(picture, "picture") for picture in pictures])
    reads, untouched = ((champion.predict(these).argmax(1) == labels).mean() for these in (seen, from_bytes(images)))
    assert reads >= untouched - 0.01, f"{reads:.3f} of {len(labels)}, and {untouched:.3f} untouched"


def test_without_it_the_champion_would_not():
    """What the accuracy above is worth: taken as they come, many of the same pictures are misread."""
    images, labels = validation()
    random = np.random.default_rng(0)
    pictures = [RENDERINGS["small, off-centre"](image, random) for image in images[::EVERY]]
    raw = np.stack([normalize.resized(picture) for picture in pictures])
    assert (model.load(CHAMPION).predict(raw).argmax(1) == labels[::EVERY]).mean() < 0.5
