"""The training loop: a configuration and data in, a fitted Keras model out. The test split is never touched here."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from app.image import PIXELS, SIDE, from_bytes
from app.model import CLASSES
from training import TrainingError, network
from training.augment import handwritten, photographed, warped
from training.config import TrainConfig
from training.data import Dataset, Split
from training.export import load_keras

OnEpoch = Callable[[int, dict[str, float]], None]

STATISTICS_BATCHES = 100  # enough for each channel's mean and variance: a hundred thousand values of it and more


class FitError(TrainingError):
    """Training cannot start; the message says why."""


def fit(config: TrainConfig, dataset: Dataset, on_epoch: OnEpoch) -> keras.Model:
    """Train the configured network, calling `on_epoch(epoch, metrics)` after each epoch, counted from 1.

    The same configuration and data give the same weights, bit for bit, on the same machine. Raises FitError if there
    is no such teacher.
    """
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    with _precision(config.precision):
        model = network.build(config)
    model.compile(optimizer=_optimizer(config, len(dataset.train)), loss=_loss(config), metrics=["accuracy"])
    with _ctrl_c_between_batches() as stop_if_asked:
        model.fit(
            **_training_data(config, dataset.train),
            epochs=config.epochs,
            validation_data=_validation_data(config, dataset.validation),
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, logs),
                    on_train_batch_end=stop_if_asked,
                )
            ],
            verbose=1 if sys.stdout.isatty() else 2,  # a bar that moves for people, a line an epoch for logs
        )
    if config.average:
        _measure_statistics(model, _batches(config, dataset.train))
    return _in_float32(model, config)


@contextlib.contextmanager
def _ctrl_c_between_batches() -> Iterator[Callable[..., None]]:
    """Give a callback that raises KeyboardInterrupt once Ctrl-C was pressed.

    Raised at once, wherever TensorFlow happens to be, it is lost now and then, and training goes on.
    """
    pressed = threading.Event()

    def stop_if_asked(*_: Any, **__: Any) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield stop_if_asked
    finally:
        signal.signal(signal.SIGINT, before)


def _flat(split: Split) -> tuple[Any, Any]:
    return from_bytes(split.images).reshape(-1, PIXELS), split.labels


def _validation_data(config: TrainConfig, split: Split) -> tuple[Any, Any]:
    images, labels = _flat(split)
    return images, keras.utils.to_categorical(labels, CLASSES) if config.teacher else labels


def _training_data(config: TrainConfig, split: Split) -> dict[str, Any]:
    """What `fit` trains on: the images as they are, or batches that change at each epoch."""
    if config.augment == "none" and not config.teacher:
        images, labels = _flat(split)
        return {"x": images, "y": labels, "batch_size": config.batch_size}
    return {"x": _batches(config, split), "steps_per_epoch": _steps_an_epoch(config, len(split))}


def _batches(config: TrainConfig, split: Split) -> tf.data.Dataset:
    """Batches without end: images, augmented if asked for, with their labels or the teacher's answers to them.

    The teacher sees what was written. What a camera makes of it is the student's alone: to read that as well as the
    teacher reads the clean image is what it is to learn.
    """
    images, labels = _flat(split)
    # Counted over all epochs, so that each changes its images otherwise.
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(labels), seed=config.seed)
    batches = batches.batch(config.batch_size).repeat().enumerate()
    if config.augment != "none":
        written = warped if config.augment == "elastic" else handwritten
        batches = batches.map(_changing(written, config.seed))
    if config.teacher:
        teacher = _teacher(config.teacher)
        batches = batches.map(lambda step, batch: (step, (batch[0], teacher(batch[0], training=False))))
    if config.augment == "camera":
        batches = batches.map(_changing(photographed, config.seed))
    return batches.map(lambda _, batch: batch).prefetch(2)


def _changing(change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], seed: int) -> Callable[..., Any]:
    """Change a numbered batch's images by the seed and its number."""

    def changed(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        images = change(tf.reshape(batch[0], (-1, SIDE, SIDE)), tf.stack([seed, step]))
        return step, (tf.reshape(images, (-1, PIXELS)), batch[1])

    return changed


def _teacher(path: str) -> keras.Model:
    """Load a teacher. It sees the very image that its student sees, and its answer is all that is learnt.

    As in Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", 2022.
    """
    model = load_keras(Path(path))
    if (model.input_shape[1:], model.output_shape[1:]) != ((PIXELS,), (CLASSES,)):
        raise FitError(
            f"the teacher {path} takes {list(model.input_shape[1:])} and gives {list(model.output_shape[1:])};"
            f" it must take [{PIXELS}] and give [{CLASSES}]."
        )
    return model


def _measure_statistics(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Measure anew what batch normalisation sees: its running means are of weights before they were averaged."""
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not normalisations:
        return
    for seen, (images, _) in enumerate(batches.take(STATISTICS_BATCHES)):
        for layer in normalisations:
            layer.momentum = seen / (seen + 1)  # the running mean of all batches becomes their plain mean
        model(images, training=True)


def _loss(config: TrainConfig) -> Any:
    if config.teacher:
        return "categorical_crossentropy"
    if not config.label_smoothing:
        return "sparse_categorical_crossentropy"

    def smoothed(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        one_hot = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), CLASSES)
        return keras.losses.categorical_crossentropy(one_hot, probabilities, label_smoothing=config.label_smoothing)

    return smoothed


def _optimizer(config: TrainConfig, images: int) -> keras.Optimizer:
    average = {"use_ema": True, "ema_momentum": config.average} if config.average else {}
    return keras.optimizers.Adam(_learning_rate(config, images), weight_decay=config.weight_decay or None, **average)


def _learning_rate(config: TrainConfig, images: int) -> Any:
    if config.lr_decay == "none":
        return config.learning_rate
    steps = config.epochs * _steps_an_epoch(config, images)
    if not config.warmup_steps:
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - config.warmup_steps), warmup_target=config.learning_rate, warmup_steps=config.warmup_steps
    )


def _steps_an_epoch(config: TrainConfig, images: int) -> int:
    return -(-images // config.batch_size)


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers that compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _in_float32(model: keras.Model, config: TrainConfig) -> keras.Model:
    """The same network computing in float32, which is what is exported and served."""
    if config.precision == "float32":
        return model
    served = network.build(config)
    served.set_weights(model.get_weights())
    return served
