"""Bags of words for the tests, and how they are compared."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_matrix


def bag(rows: list[list[float]]) -> csr_matrix:
    return csr_matrix(np.array(rows, dtype=np.float32))


def assert_same(expected: csr_matrix, actual: csr_matrix) -> None:
    assert expected.shape == actual.shape
    assert actual.dtype == np.float32
    assert actual.has_canonical_format
    assert np.count_nonzero(actual.data) == actual.nnz
    np.testing.assert_array_equal(expected.indptr, actual.indptr)
    np.testing.assert_array_equal(expected.indices, actual.indices)
    np.testing.assert_array_equal(expected.data, actual.data)


def random_bag(documents: int, features: int, density: float, seed: int) -> csr_matrix:
    random = np.random.default_rng(seed)
    rows = random.poisson(3, (documents, features)) * (random.random((documents, features)) < density)
    return bag(rows.astype(float).tolist()) if documents else csr_matrix((0, features), dtype=np.float32)


@st.composite
def bags(draw: st.DrawFn, *, whole: bool = False) -> csr_matrix:
    """Draw up to six documents over up to 300 words, so that word ids take one byte or two."""
    features = draw(st.sampled_from([1, 2, 7, 130, 300]))
    numbers = st.integers(1, 2**20).map(float)
    if not whole:
        numbers |= st.floats(2.0**-20, 2.0**40, width=32)
    rows = np.zeros((draw(st.integers(0, 6)), features), dtype=np.float32)
    for row in rows:
        for word, number in draw(st.dictionaries(st.integers(0, features - 1), numbers, max_size=9)).items():
            row[word] = number
    return csr_matrix(rows)
