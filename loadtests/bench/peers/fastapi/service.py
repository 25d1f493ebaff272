"""FastAPI by hand: pydantic models in and out, LiteRT in the event loop."""

import numpy as np
from champion import Champion
from fastapi import FastAPI
from pydantic import BaseModel, Field


class Question(BaseModel):
    """One image."""

    image: list[float] = Field(min_length=784, max_length=784)


class Answer(BaseModel):
    """What the other peers' clients get, too."""

    prediction: int
    confidence: float
    probabilities: list[float]


app = FastAPI()
champion = Champion()


@app.post("/predict")
async def predict(question: Question) -> Answer:
    (probabilities,) = champion.predict(np.array([question.image], dtype=np.float32)).tolist()
    confidence = max(probabilities)
    return Answer(prediction=probabilities.index(confidence), confidence=confidence, probabilities=probabilities)
