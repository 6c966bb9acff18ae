"""Documents wherever they are kept: taken, in blocks, a share of them, and counted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, vstack

from tests.corpus.bags import assert_same
from tests.models import random_counts
from topicdock.corpus import documents as corpus
from topicdock.corpus.documents import (
    InMemory,
    Share,
    as_documents,
    count_holders,
    count_occurrences,
    count_words,
    cut,
    share,
)

COUNTS = random_counts(103, 30)


def test_documents_are_taken_in_the_order_that_is_asked_for() -> None:
    rows = np.random.default_rng(0).permutation(103)[:40]
    assert_same(COUNTS[rows], InMemory(COUNTS).take(rows))


@pytest.mark.parametrize("documents", [1, 10, 103, 1000])
def test_blocks_are_all_documents_in_order_and_no_larger_than_asked_for(documents: int) -> None:
    blocks = list(InMemory(COUNTS).blocks(documents))
    assert max(block.shape[0] for block in blocks) <= documents
    assert_same(COUNTS, csr_matrix(vstack(blocks, format="csr")))


def test_documents_in_memory_that_are_one_block_are_not_copied() -> None:
    (block,) = InMemory(COUNTS).blocks()
    assert block is COUNTS


def test_there_is_no_block_without_documents() -> None:
    assert list(InMemory(csr_matrix((0, 30), dtype=np.float32)).blocks()) == []


def test_a_block_holds_no_more_counts_than_fit_but_at_least_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_BLOCK_COUNTS", 10)
    assert cut(np.array([0, 4, 10, 30, 31, 31, 41, 42]), 100) == [0, 2, 3, 5, 6, 7]
    assert cut(np.array([5, 9, 15, 35]), 1) == [0, 1, 2, 3]
    assert cut(np.zeros(5, np.int64), 100) == [0, 4]


@pytest.mark.parametrize(("first", "step"), [(0, 2), (1, 2), (2, 3), (4, 7), (20, 21)])
def test_a_share_is_every_nth_document_however_large_the_blocks(first: int, step: int) -> None:
    expected = COUNTS[first::step]
    share = Share(InMemory(COUNTS), first, step)
    assert share.shape == expected.shape
    for documents in (1, 5, 1000):
        assert_same(expected, csr_matrix(vstack(list(share.blocks(documents)), format="csr")))


@pytest.mark.parametrize(("first", "step", "width"), [(0, 3, 2), (1, 5, 3), (2, 5, 3), (0, 4, 4), (19, 24, 5)])
def test_a_share_may_be_of_several_documents_that_follow_each_other(first: int, step: int, width: int) -> None:
    every = [row for row in range(COUNTS.shape[0]) if row >= first and (row - first) % step < width]
    for documents in (1, 5, 1000):
        shared = list(share(InMemory(COUNTS).blocks(documents), first, step, width))
        assert_same(COUNTS[every], csr_matrix(vstack(shared, format="csr")))


def test_a_share_of_few_documents_may_be_none() -> None:
    share = Share(InMemory(COUNTS[:2]), 2, 3)
    assert share.shape == (0, 30)
    assert list(share.blocks()) == []


def test_sums_over_blocks_are_those_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_BLOCK_COUNTS", 50)
    documents, dense = as_documents(COUNTS), COUNTS.toarray().astype(np.float64)
    assert len(list(documents.blocks())) > 3
    assert count_words(documents) == dense.sum()
    np.testing.assert_array_equal(count_occurrences(documents), dense.sum(0))
    np.testing.assert_array_equal(count_holders(documents), (dense > 0).sum(0))


def test_words_are_counted_beyond_what_a_float32_holds() -> None:
    many = csr_matrix(np.full((3, 1), 2.0**24 - 1, np.float32))
    assert count_occurrences(as_documents(many)).tolist() == [3.0 * (2**24 - 1)]
