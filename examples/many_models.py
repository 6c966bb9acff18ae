"""One endpoint, many models: what SageMaker calls a multi-model endpoint, on this machine.

    python -m examples.many_models --output /tmp/many

A model is trained for each of a few corpora; they are loaded by name into one server, asked, and unloaded, by the calls
that SageMaker makes of a container.
"""

# ruff: noqa: T201 - a script for a terminal

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from examples.here import deployed, train, write_channels
from examples.synthetic_bars import SIDE, draw
from topicdock.corpus import encode_json


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="a folder for data and models")
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--epochs", default="auto")
    arguments = parser.parse_args()

    store = arguments.output / "models"
    for number in range(arguments.models):
        _, counts, _ = draw(arguments.documents, seed=number)
        data = write_channels(arguments.output / f"data-{number}", train=counts)
        job = train(
            data, arguments.output / f"job-{number}", num_topics=SIDE + number, feature_dim=SIDE * SIDE,
            epochs=arguments.epochs,
        )  # fmt: skip
        shutil.copytree(job / "model", store / f"corpus-{number}" / "model", dirs_exist_ok=True)

    asked = encode_json(draw(1, seed=99)[1])
    with deployed(arguments.output, SAGEMAKER_MULTI_MODEL="true") as endpoint:
        for number in range(arguments.models):
            name = f"corpus-{number}"
            load = {"model_name": name, "url": str(store / name / "model")}
            endpoint.ask("POST", "/models", json.dumps(load).encode())
        print("\nLoaded:", [model["modelName"] for model in endpoint.ask("GET", "/models")["models"]])
        for number in range(arguments.models):
            (answer,) = endpoint.predict(asked, "application/json", f"/models/corpus-{number}/invoke")
            print(f"corpus-{number}:", np.round(answer["topic_weights"], 2))
        endpoint.ask("DELETE", "/models/corpus-0")
        print("After one was unloaded:", [model["modelName"] for model in endpoint.ask("GET", "/models")["models"]])


if __name__ == "__main__":
    main()
