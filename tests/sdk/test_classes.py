"""SDK 2.x's NTM and LDA classes, which ignore ``image_uri``: the image under the name that they ask for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.sparse import save_npz

from tests.container.docker import docker
from tests.jobs import planted_corpus
from tests.sdk.conftest import Client
from tests.sdk.test_estimator import unpack

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(3600)]
# What image_uris.retrieve("ntm", "us-east-1") and of "lda" give.
AMAZON = {
    "ntm": "382416733822.dkr.ecr.us-east-1.amazonaws.com/ntm:1",
    "lda": "766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1",
}


@pytest.fixture
def tagged(image: str, lda_image: str) -> Iterator[None]:
    """Give our images the names of Amazon's."""
    docker("tag", image, AMAZON["ntm"])
    docker("tag", lda_image, AMAZON["lda"])
    yield
    docker("rmi", *AMAZON.values())


@pytest.mark.parametrize("algorithm", ["ntm", "lda"])
@pytest.mark.usefixtures("tagged")
def test_the_built_ins_class_trains_and_asks_the_image_that_bears_amazons_name(sdk2: Client, algorithm: str) -> None:
    counts = planted_corpus(200)
    save_npz(sdk2.folder / "counts.npz", counts)
    sdk2.run("classes.py", algorithm)
    answers = sdk2.answers()
    assert answers["image"] == AMAZON[algorithm]
    np.testing.assert_allclose(answers["record"], unpack(sdk2, algorithm).transform(counts[:5]), atol=1e-6)
    assert sdk2.contacted == {"localhost", "127.0.0.1"}
