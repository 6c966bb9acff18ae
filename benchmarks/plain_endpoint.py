"""The endpoint that one would write down first: Flask, PyTorch, numpy and the standard library, a loop over documents.

What ``benchmarks.serving`` measures topicdock beside. It answers the same requests with the same model and the same
numbers, run by gunicorn with as many processes: ``gunicorn 'benchmarks.plain_endpoint:make_app("/model/folder")'``.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flask import Flask, Response, request

from benchmarks.reading import read_with_protobuf_loop
from topicdock.artifact import load_model
from topicdock.model.neural import NeuralTopicModel


class Encoder(torch.nn.Module):
    """NTM's encoder with the weights of a fitted model."""

    def __init__(self, model: NeuralTopicModel) -> None:
        super().__init__()
        arrays = model.arrays
        depth = sum(name.startswith("encoder_") and name.endswith("_weight") for name in arrays)
        names = [*(f"encoder_{layer}" for layer in range(depth)), "mean"]
        layers: list[torch.nn.Module] = []
        for name in names:
            weight, bias = np.array(arrays[f"{name}_weight"]), np.array(arrays[f"{name}_bias"])
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight.data, layer.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
            layers += [layer, torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers[:-1])

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Topic proportions, (D, K), of counts, (D, V)."""
        result: torch.Tensor = torch.softmax(self.layers(torch.log1p(counts)), dim=1)
        return result


def make_app(folder: str) -> Flask:
    """Return the application for the model in `folder`."""
    torch.set_num_threads(1)
    model = load_model(Path(folder))
    if not isinstance(model, NeuralTopicModel):
        raise TypeError("the plain endpoint knows NTM only")
    encoder = Encoder(model).eval()
    app = Flask("plain")

    @app.get("/ping")
    def ping() -> Response:
        return Response(status=200)

    @app.post("/invocations")
    def invocations() -> Response:
        counts = _decode(request.get_data(), request.content_type or "", model.feature_dim)
        with torch.no_grad():
            theta = encoder(torch.from_numpy(counts)).numpy()
        predictions = [{"topic_weights": row.tolist()} for row in theta]
        return Response(json.dumps({"predictions": predictions}), mimetype="application/json")

    return app


def _decode(body: bytes, content_type: str, feature_dim: int) -> Any:
    if content_type == "text/csv":
        return np.loadtxt(io.BytesIO(body), delimiter=",", dtype=np.float32, ndmin=2)
    if content_type == "application/x-recordio-protobuf":
        return read_with_protobuf_loop(body).toarray().astype(np.float32)
    instances = json.loads(body)["instances"]
    counts = np.zeros((len(instances), feature_dim), np.float32)
    for row, instance in zip(counts, instances, strict=True):
        features = instance["data"]["features"]
        for key, value in zip(features["keys"], features["values"], strict=True):
            row[key] += value
    return counts
