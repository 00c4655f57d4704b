"""What one would write in ten minutes: the bare SavedModel behind FastAPI, a call a request.

It checks nothing. MODEL in the environment is the SavedModel of JapaneseVowels.
"""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from fastapi import FastAPI

app = FastAPI()
_model = tf.saved_model.load(os.environ["MODEL"])
_answer = _model.signatures["raw"]


@app.post("/predict")
def predict(body: dict[str, Any]) -> dict[str, Any]:
    steps = body["rows"][0]["sequence"]["coefficients"]
    found = _answer(
        coefficients=tf.constant([steps], tf.float32), lengths=tf.constant([len(steps)], tf.int64)
    )
    return {
        "label": found["classes"].numpy()[0].decode(),
        "probabilities": found["probabilities"].numpy()[0].tolist(),
    }
