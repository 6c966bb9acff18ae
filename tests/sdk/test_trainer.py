"""SDK 3.x's ModelTrainer, which gives the container no command, and its hosts an interface that does not exist."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import save_npz

from tests.jobs import planted_corpus
from tests.sdk.conftest import Client
from tests.sdk.test_estimator import unpack
from topicdock.corpus import RECORDIO, parse_media_type, write_counts

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(3600)]
COUNTS = planted_corpus(200)


@pytest.mark.parametrize(("algorithm", "hosts"), [("ntm", 1), ("ntm", 2)])
def test_a_model_trainer_trains_what_its_endpoint_serves(sdk3: Client, image: str, algorithm: str, hosts: int) -> None:
    save_npz(sdk3.folder / "counts.npz", COUNTS)
    (sdk3.folder / "train").mkdir()
    for part in range(4):
        write_counts(sdk3.folder / "train" / f"part{part}.pbr", COUNTS[part::4], parse_media_type(RECORDIO))
    sdk3.run("trainer.py", image, algorithm, str(hosts))
    assert sdk3.exit_codes() == [0] * hosts
    np.testing.assert_allclose(sdk3.answers()["csv"], unpack(sdk3, algorithm).transform(COUNTS[:5]), atol=1e-6)
    assert sdk3.contacted == {"localhost", "127.0.0.1"}
