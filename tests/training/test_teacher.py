"""A student learns its teacher's answers, whatever the labels say."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.training.conftest import train
from training import data
from training.config import TrainConfig
from training.fit import FitError, fit

LIKES_3 = np.float32([0, 0, 0, 2, 0, 0, 0, 0, 0, 0])


@pytest.fixture
def teacher(tmp_path):
    """Gives a function that saves a teacher of a width, who reads whatever it sees as a 3."""

    def save(pixels):
        model = keras.Sequential([keras.Input((pixels,)), keras.layers.Dense(10, activation="softmax")])
        model.set_weights([np.zeros((pixels, 10), np.float32), LIKES_3])
        model.save(tmp_path / "teacher.keras")
        return str(tmp_path / "teacher.keras")

    return save


@pytest.mark.parametrize("augment", ["none", "handwriting", "camera"])
def test_student_learns_the_teachers_answers(teacher, augment):
    digits = data.load("digits")
    config = TrainConfig(dataset="digits", epochs=3, hidden_units=8, teacher=teacher(784), augment=augment)
    seen = []
    model = fit(config, digits, lambda _, metrics: seen.append(metrics))
    answers = model.predict(np.float32(digits.test.images).reshape(-1, 784) / 255, verbose=0)
    assert set(answers.argmax(axis=1)) == {3}
    assert answers[:, 3].mean() == pytest.approx(np.exp(2) / (np.exp(2) + 9), abs=0.1)  # as unsure as the teacher
    # What is reported of the validation images is against their labels.
    assert seen[-1]["val_accuracy"] == pytest.approx((digits.validation.labels == 3).mean())


def test_teacher_sees_what_no_camera_has_changed(tmp_path):
    """A teacher who reads a 3, and on a bright background a 5: the student never hears of a 5."""
    teacher = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])
    bright = 0.1 * np.eye(10, dtype=np.float32)[[5]].repeat(784, axis=0)
    teacher.set_weights([bright, 30 * np.eye(10, dtype=np.float32)[3]])
    teacher.save(tmp_path / "teacher.keras")
    digits = data.load("digits")
    images = np.float32(digits.test.images).reshape(-1, 784) / 255
    brighter = 0.5 + images / 2
    assert set(teacher.predict(images, verbose=0).argmax(axis=1)) == {3}
    assert set(teacher.predict(brighter, verbose=0).argmax(axis=1)) == {5}
    config = TrainConfig(dataset="digits", epochs=3, hidden_units=8, augment="camera")
    student = fit(replace(config, teacher=str(tmp_path / "teacher.keras")), digits, lambda *_: None)
    assert set(student.predict(brighter, verbose=0).argmax(axis=1)) == {3}


def test_teacher_of_other_images_is_refused(teacher):
    with pytest.raises(FitError, match=r"takes \[64\] and gives \[10\]; it must take \[784\]"):
        fit(TrainConfig(dataset="digits", teacher=teacher(64)), data.load("digits"), lambda *_: None)


def test_teacher_that_is_not_there_is_refused_in_a_line(tmp_path):
    ended = train(tmp_path, "--dataset", "digits", "--teacher", "missing.keras")
    assert ended.returncode == 1
    assert "error: missing.keras is no Keras model" in ended.stderr
    assert "Traceback" not in ended.stderr
