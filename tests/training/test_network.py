"""The networks' sizes and shapes."""

import pytest

from training import network
from training.config import TrainConfig


def test_mlp_is_the_original():
    model = network.build(TrainConfig(arch="mlp"))
    assert model.count_params() == 407_050
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dropout", "Dense"]


def test_cnns_are_small():
    assert network.build(TrainConfig(arch="cnn")).count_params() == 29_402
    assert network.build(TrainConfig(arch="cnn6")).count_params() == 172_794


@pytest.mark.parametrize("arch", ["mlp", "cnn", "cnn6"])
def test_takes_784_and_gives_10(arch):
    model = network.build(TrainConfig(arch=arch, dataset="digits"))
    assert (model.input_shape, model.output_shape) == ((None, 784), (None, 10))
    assert model.name == f"{arch}_digits"
