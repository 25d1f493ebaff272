"""The training loop: a configuration and data in, a fitted Keras model out. The test split is never touched here."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from app.image import PIXELS, from_bytes
from training import network
from training.config import TrainConfig
from training.data import Dataset, Split

OnEpoch = Callable[[int, dict[str, float]], None]


def fit(config: TrainConfig, dataset: Dataset, on_epoch: OnEpoch) -> keras.Model:
    """Train the configured network, calling `on_epoch(epoch, metrics)` after each epoch, counted from 1.

    The same configuration and data give the same weights, bit for bit, on the same machine.
    """
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    model = network.build(config)
    model.compile(
        optimizer=keras.optimizers.Adam(_learning_rate(config, len(dataset.train))),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    images, labels = _flat(dataset.train)
    with _ctrl_c_between_batches() as stop_if_asked:
        model.fit(
            images,
            labels,
            batch_size=config.batch_size,
            epochs=config.epochs,
            validation_data=_flat(dataset.validation),
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, logs),
                    on_train_batch_end=stop_if_asked,
                )
            ],
            verbose=1 if sys.stdout.isatty() else 2,  # a bar that moves for people, a line an epoch for logs
        )
    return model


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


def _learning_rate(config: TrainConfig, images: int) -> Any:
    if config.lr_decay == "none":
        return config.learning_rate
    steps = config.epochs * -(-images // config.batch_size)
    return keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
