"""Flask and TensorFlow as tutorials write them: `model.predict` in the view."""

import os

import keras
import numpy as np
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)
network = keras.models.load_model(os.environ["BENCH_NETWORK"])


@app.post("/predict")
def predict() -> ResponseReturnValue:
    image = np.array(request.get_json()["image"], dtype=np.float32).reshape(1, 784)
    (probabilities,) = network.predict(image, verbose=0)
    digit = int(np.argmax(probabilities))
    return jsonify(prediction=digit, confidence=float(probabilities[digit]), probabilities=probabilities.tolist())
