"""Classifier: a Bundle loaded in LiteRT, checked against its golden answers and ready to predict.

Imports app.bundle only. Knows nothing of HTTP.
"""

from pathlib import Path
from threading import Lock

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from app.bundle import Bundle, BundleError, Golden, read

CLASSES = 10


class Engine:
    """A LiteRT model that any number of threads may call.

    A LiteRT interpreter holds one set of tensors: two threads in one interpreter read each other's answers, silently.
    So each of the two here is used under one lock. There are two because resizing costs more than predicting: single
    images never resize, and batches resize only when their length changes.
    """

    def __init__(self, model: bytes) -> None:
        """Load a model file's bytes. Raises ValueError unless they are a LiteRT model of 784 inputs and 10 outputs."""
        self._lock = Lock()
        self._single = _Session(model)
        self._batch = _Session(model)

    @property
    def input_shape(self) -> list[int]:
        """The model's input, -1 for the batch dimension: [-1, 784] or [-1, 28, 28, 1]."""
        return [-1, *self._single.image_shape]

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Classify images, float32 [n, 28, 28] in 0..1, n >= 1. Returns probabilities, float32 [n, 10]."""
        session = self._single if len(images) == 1 else self._batch
        with self._lock:
            return session.run(images)


class Classifier(Engine):
    """A Bundle, ready to predict: its model has answered its golden cases as it should."""

    def __init__(self, bundle: Bundle) -> None:
        """Load, warm up and check. Raises BundleError if the model does not load or a golden answer differs."""
        try:
            super().__init__(bundle.model)
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"the model of this Bundle does not load: {error}") from error
        self.bundle = bundle
        _check_golden(self, bundle.golden)


def load(folder: Path) -> Classifier:
    """Read the Bundle in a folder and make it ready. Raises BundleError, with a sentence that says what is wrong."""
    return Classifier(read(folder))


class _Session:
    """One interpreter, and the batch length that its tensors are allocated for. Not safe for threads."""

    def __init__(self, model: bytes) -> None:
        # One thread: at tens of microseconds an image, handing work to a pool costs more than it gives, and a
        # process that forks must not own threads.
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        (self._input,) = (detail["index"] for detail in self._interpreter.get_input_details())
        (self._output,) = (detail["index"] for detail in self._interpreter.get_output_details())
        self.image_shape = _image_shape(self._interpreter)
        self._allocate(1)

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(images) != self._length:
            self._allocate(len(images))
        self._interpreter.set_tensor(self._input, images.reshape(self._length, *self.image_shape))
        self._interpreter.invoke()
        probabilities: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return probabilities

    def _allocate(self, length: int) -> None:
        self._interpreter.resize_tensor_input(self._input, [length, *self.image_shape])
        self._interpreter.allocate_tensors()
        self._length = length


def _image_shape(interpreter: Interpreter) -> tuple[int, ...]:
    """The shape of one image in the model's input: (784,) or (28, 28, 1). Raises ValueError for any other model."""
    shape = tuple(int(size) for size in interpreter.get_input_details()[0]["shape"])[1:]
    outputs = int(interpreter.get_output_details()[0]["shape"][-1])
    if shape not in {(784,), (28, 28, 1)} or outputs != CLASSES:
        raise ValueError(
            f"it takes {list(shape)} and gives {outputs} numbers;"
            f" a Bundle's model takes [784] or [28, 28, 1] and gives {CLASSES}"
        )
    return shape


def _check_golden(engine: Engine, golden: Golden) -> None:
    """Compare each golden case, alone and all as one batch, which also warms up both sessions."""
    images = np.array([case.image for case in golden.cases], dtype=np.float32)
    expected = np.array([case.probabilities for case in golden.cases], dtype=np.float32)
    alone = np.concatenate([engine.predict(image[np.newaxis]) for image in images])
    for answers in (alone, engine.predict(images)):
        worst = float(np.abs(answers - expected).max())
        if not worst <= golden.tolerance:
            raise BundleError(
                f"the model does not give its golden answers: a probability is off by {worst:.3g},"
                f" the tolerance is {golden.tolerance:g}. The Bundle's files do not belong together,"
                " or this machine computes wrongly."
            )
