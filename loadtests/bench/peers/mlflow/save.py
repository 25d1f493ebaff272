"""Save the champion's Keras network as an MLflow model, signature and all. Run as `python save.py folder`."""

import os
import shutil
import sys

import mlflow
import numpy as np
from keras_network import build
from mlflow.models import infer_signature

folder = sys.argv[1]
network = build(os.environ["BENCH_MODEL"])
example = np.zeros((1, 784), dtype=np.float32)
shutil.rmtree(folder, ignore_errors=True)
mlflow.tensorflow.save_model(network, folder, signature=infer_signature(example, network.predict(example)))
