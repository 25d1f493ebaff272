"""The networks' sizes and shapes."""

import pytest

from training import network
from training.config import TrainConfig


def test_mlp_is_the_original():
    model = network.build(TrainConfig(arch="mlp"))
    assert model.count_params() == 407_050
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dropout", "Dense"]


def test_cnn_is_small():
    assert network.build(TrainConfig(arch="cnn")).count_params() < 200_000


@pytest.mark.parametrize("arch", ["mlp", "cnn"])
def test_takes_784_and_gives_10(arch):
    model = network.build(TrainConfig(arch=arch, dataset="digits"))
    assert (model.input_shape, model.output_shape) == ((None, 784), (None, 10))
    assert model.name == f"{arch}_digits"
