"""Documents become batches: permuted, perhaps split into a seen and an unseen part, laid out for the kernels.

Everything is done for some thousands of documents at a time, without a Python loop over documents.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.shards import Shards
from topicdock.algorithms.sparse import WordMajor, cut_rows, group_by_word
from topicdock.corpus.bag_of_words import to_frequencies, with_counts
from topicdock.corpus.documents import Documents

EncoderInput = Literal["counts", "log1p", "frequencies"]
_PREPARED_DOCUMENTS = 16_384
_PREPARED_COUNTS = 1 << 22
"""Non-zeros that are laid out at a time, about; each takes some hundred bytes."""
_PREPARED_COLUMNS = 1 << 18
"""Batches times words of the vocabulary that are laid out at a time; each takes some tens of bytes."""
SEEN_SHARE, SEEN_SHARE_SHORT = (0.1, 0.6), (0.3, 0.9)
"""Between which bounds the share of a document that the encoder sees is drawn, of a long one and a short one."""
_SHORT, _LONG = 10.0, 20.0
"""Words up to which documents are short: 0.6 of fewer are less than six, too few to tell a topic by; and from which on
they are long."""
_LITTLE_TEXT, _MUCH_TEXT = 1.0, 5.0
"""Words of the corpus for each weight of the decoder, up to which there is little text, and from which on much."""
DIVIDED = 0.6
"""Of the words that occur more than once, the share whose occurrences are divided one by one."""


@dataclass(frozen=True)
class Batch:
    """B documents, laid out for training.

    Attributes
    ----------
    input : sparse Tensor, shape (B, V)
        What the encoder is given: counts, their log(1 + counts), or their shares of the document.
    input_by_word : WordMajor
        The same by word, for the gradient of the first layer.
    values : Tensor, shape (nnz,)
        The counts that the decoder is to predict, or a power of them.
    shares : Tensor, shape (nnz,)
        The same, each divided by the sum of its document's; empty where `predicted_by_word` is there instead.
    positions : Tensor of int64, shape (nnz,)
        Where they stand in a (B, V) block laid out row by row; empty as `shares`.
    starts : Tensor of int64, shape (B + 1,)
        Where each document's counts begin in `values`.
    lengths : Tensor, shape (B,)
        The sum of each document's counts to predict.
    predicted : sparse Tensor, shape (B, V)
        The counts to predict once more; its values are `values`.
    predicted_by_word : WordMajor or None
        The same by word, if the settings ask for it; in place of the counts, their places in `values`.
    """

    input: Tensor
    input_by_word: WordMajor
    values: Tensor
    shares: Tensor
    positions: Tensor
    starts: Tensor
    lengths: Tensor
    predicted: Tensor
    predicted_by_word: WordMajor | None

    @classmethod
    def of(cls, counts: csr_matrix, encoder_input: EncoderInput) -> Batch:
        """Lay out documents, shape (B, V), to be scored or trained on as they are."""
        settings = BatchSettings(len(counts.indptr), 1.0, 0, encoder_input, predict_unseen=False, join_last=False)
        return _prepare(counts, [0, counts.shape[0]], settings, np.random.default_rng(0))[0]

    def __len__(self) -> int:
        return len(self.lengths)

    def words(self) -> float:
        """Return how many words there are to predict."""
        return float(self.lengths.sum(dtype=torch.float64))


@dataclass(frozen=True)
class BatchSettings:
    """How an epoch is cut into batches; names as the hyperparameters'.

    Attributes
    ----------
    join_last : bool
        A last batch of less than half the size joins the one before it, so that batch normalisation has company.
    by_word : bool
        Lay out what is to be predicted by word, too.
    """

    mini_batch_size: int
    """Of a host, whose processes divide it."""
    sub_sample: float
    seed: int
    encoder_input: EncoderInput
    predict_unseen: bool
    join_last: bool
    by_word: bool = False
    short: float = 0.0
    """The share of the documents that are divided as short ones, see :func:`split`."""
    count_exponent: float = 1.0
    """The power of its count with which the decoder is to predict a word."""
    shards: Shards | None = None

    def draw(self, documents: int) -> int:
        """Return how many of so many documents an epoch takes."""
        return math.ceil(self.sub_sample * documents)

    def own_size(self) -> int:
        """Return how many documents of a batch are this process's, about."""
        return self.mini_batch_size if self.shards is None else self.shards.share(self.mini_batch_size)

    def cut(self, documents: int) -> list[int]:
        """Return where the batches of an epoch of so many drawn documents begin, and the end of the last."""
        size = self.mini_batch_size
        if self.shards is not None:
            steps = self.shards.steps(size, self.draw)
            return [documents * step // steps for step in range(steps + 1)]
        cuts = [*range(0, documents, size), documents]
        if self.join_last and len(cuts) > 2 and cuts[-1] - cuts[-2] < size / 2:
            del cuts[-2]
        return cuts

    def sizes(self, documents: int) -> list[int]:
        """Return how many documents each step of an epoch takes, on all hosts; `documents` are this one's."""
        everyone = (documents,) if self.shards is None else self.shards.documents
        cuts = [self.cut(self.draw(number)) for number in everyone]
        return [sum(ends) - sum(begins) for begins, ends in pairwise(zip(*cuts, strict=True))]


class Epoch:
    """The batches of one epoch, by groups that are laid out together; the same seed and number give the same."""

    def __init__(self, documents: Documents, settings: BatchSettings, number: int) -> None:
        self.number = number
        self._documents, self._settings = documents, settings
        self._cuts = settings.cut(settings.draw(documents.shape[0]))
        self.in_group = _group(settings.own_size(), documents)
        """Batches in a group, but for the last."""

    def __len__(self) -> int:
        return math.ceil((len(self._cuts) - 1) / self.in_group)

    def prepare(self, group: int) -> list[Batch]:
        """Lay out the batches of a group."""
        first = group * self.in_group
        bounds = self._cuts[first : first + self.in_group + 1]
        documents = self._documents.take(self._order[bounds[0] : bounds[-1]])
        return _prepare(documents, [bound - bounds[0] for bound in bounds], self._settings, self._draw(group))

    @cached_property
    def _order(self) -> NDArray[np.integer]:
        return self._draw(0).permutation(self._documents.shape[0])

    def _draw(self, group: int) -> np.random.Generator:
        rank = 0 if self._settings.shards is None else self._settings.shards.rank
        return np.random.default_rng([self._settings.seed, self.number, group, rank])


def _group(batch: int, documents: Documents) -> int:
    """Return how many batches of so many documents are prepared at a time."""
    number, vocabulary_size = documents.shape
    in_batch = math.ceil(batch * documents.nnz / max(number, 1))  # as many as there are on average
    bounds = _PREPARED_DOCUMENTS // batch, _PREPARED_COLUMNS // vocabulary_size, _PREPARED_COUNTS // max(in_batch, 1)
    return max(1, min(bounds))


def _prepare(
    counts: csr_matrix, bounds: list[int], settings: BatchSettings, generator: np.random.Generator
) -> list[Batch]:
    """Lay out some thousands of documents as batches that begin at `bounds`, all at once as far as possible."""
    seen, predicted = split(counts, generator, settings.short) if settings.predict_unseen else (counts, counts)
    if settings.count_exponent != 1.0:
        predicted = with_counts(predicted, predicted.data**settings.count_exponent)
    shown = show(seen, settings.encoder_input)
    places = _places_by_word(predicted, bounds) if settings.by_word else None
    by_word = _take(places, shown, bounds) if places and seen is predicted else group_by_word(shown, bounds)
    documents, vocabulary_size = predicted.shape
    starts = predicted.indptr.astype(np.int64)
    shares, positions = np.empty(0, np.float32), np.empty(0, np.int64)
    if places:
        lengths = (predicted @ np.ones(vocabulary_size)).astype(np.float32)
    else:
        rows = np.repeat(np.arange(documents, dtype=np.int64), np.diff(starts))
        lengths = np.bincount(rows, predicted.data, documents).astype(np.float32)
        shares, positions = predicted.data / lengths.take(rows), rows * vocabulary_size + predicted.indices
    batches = []
    own_places: Sequence[WordMajor | None] = places or [None] * len(by_word)
    for (start, end), words, own in zip(pairwise(bounds), by_word, own_places, strict=True):
        first, last = starts[start], starts[end]
        batches.append(
            Batch(
                cut_rows(shown, start, end),
                words,
                torch.from_numpy(predicted.data[first:last]),
                torch.from_numpy(shares[first:last]),
                torch.from_numpy(positions[first:last] - start * vocabulary_size),
                torch.from_numpy(starts[start : end + 1] - first),
                torch.from_numpy(lengths[start:end]),
                cut_rows(predicted, start, end),
                own,
            )
        )
    return batches


def _places_by_word(documents: csr_matrix, bounds: list[int]) -> list[WordMajor]:
    """Return the documents of each batch by word; in place of the counts, where these stand in the batch (int32)."""
    firsts = np.repeat(documents.indptr[bounds[:-1]], np.diff(documents.indptr[bounds]))
    places = (np.arange(documents.nnz) - firsts).astype(np.int32)  # a batch has less than 2^31
    numbered = csr_matrix((places, documents.indices, documents.indptr), documents.shape)
    return group_by_word(numbered, bounds)


def _take(places: list[WordMajor], documents: csr_matrix, bounds: list[int]) -> list[WordMajor]:
    """Return the documents of each batch by word, given where their counts stand, so that nothing is sorted again."""
    counts, firsts = torch.from_numpy(documents.data), documents.indptr[bounds[:-1]].tolist()
    return [
        own.filled(counts[first:].index_select(0, own.counts.values()))
        for own, first in zip(places, firsts, strict=True)
    ]


def show(counts: csr_matrix, encoder_input: EncoderInput) -> csr_matrix:
    """Return what an encoder is shown of documents, shape (D, V): see the hyperparameter ``encoder_input``."""
    if encoder_input == "log1p":
        return counts.log1p()
    return to_frequencies(counts) if encoder_input == "frequencies" else counts


def share_of_short(mean_length: float, words_a_weight: float) -> float:
    """Return what share of documents to divide as short ones.

    Parameters
    ----------
    mean_length : float
        Words of the mean document. Up to 10 all documents, from 20 on none, and in between some, so that there is no
        leap. It is the mean that counts: the few short ones among long documents need no help.
    words_a_weight : float
        Words of the corpus for each weight of the decoder. Who is shown what is to be predicted learns to copy it, so
        that predicting the rest is better wherever it begins to work: with much text. Up to 1 none of that, from 5 on
        nothing else.
    """
    short = (_LONG - mean_length) / (_LONG - _SHORT)
    scarce = (_MUCH_TEXT - words_a_weight) / (_MUCH_TEXT - _LITTLE_TEXT)
    return min(1.0, max(0.0, short)) * min(1.0, max(0.0, scarce))


def split(
    counts: csr_matrix, generator: np.random.Generator, short_share: float = 0.0
) -> tuple[csr_matrix, csr_matrix]:
    """Divide documents, shape (D, V), at random into what an encoder is shown and what is to be predicted from it.

    A share of each document, drawn between 0.1 and 0.6, is shown, and the rest predicted. Words come in bursts: a word
    that has occurred is likely to occur again. So a word mostly goes to one part with all its occurrences, and the
    other part has to be told from other words; only some of the words that occur more than once are divided occurrence
    by occurrence.

    Of a short document so little says nothing about the rest. Of the share `short_share` of the documents, drawn at
    random, between 0.3 and 0.9 is shown, and all predicted.
    """
    different = np.diff(counts.indptr)
    short = generator.random(counts.shape[0]) < short_share if short_share else np.zeros(counts.shape[0], bool)
    lowest, highest = (np.where(short, *bounds) for bounds in zip(SEEN_SHARE_SHORT, SEEN_SHARE, strict=True))
    share = np.repeat(generator.uniform(lowest, highest).astype(np.float32), different)
    shown = counts.data * (generator.random(counts.nnz, dtype=np.float32) < share)
    repeated = np.flatnonzero(counts.data >= 2)
    repeated = repeated[generator.random(len(repeated), dtype=np.float32) < DIVIDED]
    shown[repeated] = generator.binomial(counts.data[repeated].astype(np.int64), share[repeated])
    predicted = np.where(np.repeat(short, different), counts.data, counts.data - shown)
    return _with_values(counts, shown), _with_values(counts, predicted)


def _with_values(counts: csr_matrix, values: NDArray[np.float32]) -> csr_matrix:
    """Return `counts` with other values in its non-zeros, those that became zero left out."""
    kept = np.flatnonzero(values != 0)  # taken by number, which is many times as fast as by a mask
    starts = np.searchsorted(kept, counts.indptr).astype(counts.indptr.dtype)
    return csr_matrix((values.take(kept), counts.indices.take(kept), starts), counts.shape)
