"""The Classifier: right answers, alone and in batches, from one thread and from many."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.bundle import BundleError
from app.model import Classifier, Engine

THREADS = 8


@pytest.fixture
def images(golden):
    return np.array([case.image for case in golden], dtype=np.float32).reshape(-1, 28, 28)


def test_golden_answers(classifier, images, golden, tolerance):
    expected = np.array([case.probabilities for case in golden])
    assert classifier.predict(images) == pytest.approx(expected, abs=tolerance)


def test_a_batch_answers_as_its_images_do_alone(classifier, images):
    for length in [1, 2, 3, 10, 2, 128, 1]:  # growing, shrinking, back to one
        batch = np.resize(images, (length, 28, 28))
        alone = np.concatenate([classifier.predict(image[np.newaxis]) for image in batch])
        assert classifier.predict(batch) == pytest.approx(alone, abs=1e-6)


def test_threads_of_one_classifier_each_get_their_own_answers(classifier, images):
    """An interpreter that is shared without a lock gives one thread another's answer, or fails."""
    expected = classifier.predict(images)

    def count_wrong(seed):
        random = np.random.default_rng(seed)
        wrong = 0
        for _ in range(2000):
            chosen = random.integers(10, size=random.choice([1, 1, 1, 2, 5]))
            wrong += not np.allclose(classifier.predict(images[chosen]), expected[chosen], atol=1e-6)
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(count_wrong, range(THREADS))) == [0] * THREADS


def test_answer_is_the_callers_own(classifier, images):
    """A later prediction does not change what an earlier one gave."""
    first = classifier.predict(images[:1])
    kept = first.copy()
    classifier.predict(images[1:2])
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("model", [b"", b"no model", b"\0" * 1000])
def test_bytes_that_are_no_model(classifier, model):
    broken = type(classifier.bundle)(classifier.bundle.manifest, classifier.bundle.golden, model)
    with pytest.raises(BundleError, match="does not load"):
        Classifier(broken)


def test_input_shape_is_that_of_the_manifest(classifier):
    assert Engine(classifier.bundle.model).input_shape == classifier.bundle.manifest.input["shape"]
