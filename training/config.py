"""TrainConfig: every choice of a training run, with its default and unit. The command line is made from its fields."""

from dataclasses import dataclass, field, fields
from typing import Any

from training import TrainingError


class ConfigError(TrainingError):
    """A training option has an impossible value; the message says which and what is possible."""


def _option(
    default: Any, text: str, *, choices: tuple[str, ...] = (), low: float = 0.0, high: float = float("inf")
) -> Any:
    """A field with its help text and bounds; low is allowed, high is too."""
    return field(default=default, metadata={"help": text, "choices": choices, "low": low, "high": high})


@dataclass(frozen=True)
class TrainConfig:
    """The whole configuration of a run: saved beside the model, logged to MLflow, and enough to repeat the run."""

    arch: str = _option(
        "mlp",
        "network: mlp is the original 784-512-10, cnn is small and better, cnn6 has six convolutions and is the best",
        choices=("mlp", "cnn", "cnn6"),
    )
    dataset: str = _option(
        "mnist", "mnist, or digits: scikit-learn's 8x8 digits for smoke tests", choices=("mnist", "digits")
    )
    epochs: int = _option(5, "passes over the training images", low=1)
    batch_size: int = _option(128, "images a step", low=1)
    learning_rate: float = _option(0.001, "Adam's step size at the start, after warm-up", low=1e-8, high=1)
    lr_decay: str = _option("none", "how the step size falls to zero: none or cosine", choices=("none", "cosine"))
    warmup_steps: int = _option(0, "steps in which a cosine's step size rises from zero", low=0)
    weight_decay: float = _option(0.0, "share of each weight that decays a step, times the step size (AdamW)", high=1)
    average: float = _option(
        0.0, "momentum of the running mean of the weights that is kept at the end; 0: none", high=0.9999
    )
    label_smoothing: float = _option(0.0, "share of each label that is spread over all ten digits", high=0.5)
    augment: str = _option(
        "none",
        "handwriting: bend each image and vary its strokes' width at random at each epoch; elastic: and warp it;"
        " camera: handwriting, and see half of the images on bright backgrounds, faint and noisy",
        choices=("none", "handwriting", "elastic", "camera"),
    )
    teacher: str = _option("", ".keras file of a better model, whose answers are learnt in place of the labels")
    precision: str = _option(
        "float32",
        "what training computes in; mixed_bfloat16 is faster where the processor has it",
        choices=("float32", "mixed_bfloat16"),
    )
    export: str = _option(
        "float32",
        "precision that is served; auto: the fastest that reads the validation images as well as float32",
        choices=("float32", "float16", "int8", "auto"),
    )
    hidden_units: int = _option(512, "width of the mlp's hidden layer, in units", low=1)
    dropout_rate: float = _option(0.2, "share of activations dropped while training, 0..0.9", high=0.9)
    seed: int = _option(0, "seed of initial weights, shuffling and dropout", high=2**31 - 1)

    def __post_init__(self) -> None:
        problems = [
            problem
            for item in fields(self)
            if (problem := _problem(item.name, getattr(self, item.name), item.metadata))
        ]
        if problems:
            raise ConfigError("; ".join(problems))


def _problem(name: str, value: Any, rule: Any) -> str:
    if isinstance(value, str) and not rule["choices"]:
        return ""
    if rule["choices"]:
        return (
            "" if value in rule["choices"] else f"{name} is {value!r}, but must be one of {', '.join(rule['choices'])}"
        )
    if rule["low"] <= value <= rule["high"]:
        return ""
    return f"{name} is {value}, but must be in {rule['low']:g}..{rule['high']:g}"
