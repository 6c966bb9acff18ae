from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from scipy.sparse import csr_matrix

from topicdock.artifact import save_model
from topicdock.model import Metadata, NeuralTopicModel
from topicdock.serving.app import create_app
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings

from .service import Service

FEATURE_DIM, NUM_TOPICS = 40, 5


@pytest.fixture(scope="session")
def model() -> NeuralTopicModel:
    rng = np.random.default_rng(7)
    shapes = {
        "encoder_0_weight": (12, FEATURE_DIM),
        "encoder_0_bias": (12,),
        "mean_weight": (NUM_TOPICS, 12),
        "mean_bias": (NUM_TOPICS,),
        "projection_weight": (FEATURE_DIM, NUM_TOPICS),
        "projection_bias": (FEATURE_DIM,),
    }
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return NeuralTopicModel(arrays, Metadata())


@pytest.fixture(scope="session")
def counts() -> csr_matrix:
    """Twelve documents, the last of them without words."""
    rng = np.random.default_rng(8)
    dense = rng.poisson(0.4, size=(12, FEATURE_DIM)).astype(np.float32)
    dense[-1] = 0
    return csr_matrix(dense)


@pytest.fixture
def client(model: NeuralTopicModel) -> FlaskClient:
    return create_app(ServedModel(model), Settings()).test_client()


@pytest.fixture(scope="module")
def base(model: NeuralTopicModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that SAGEMAKER_BASE_DIR can name, with the model in it."""
    folder = tmp_path_factory.mktemp("ml")
    save_model(model, folder / "model")
    return folder


@pytest.fixture(scope="module")
def service(base: Path) -> Iterator[Service]:
    """The real service with two workers, shared by the tests of a file that leave it as it was."""
    with Service(base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}) as running:
        yield running
