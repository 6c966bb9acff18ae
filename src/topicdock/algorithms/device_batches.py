"""Documents become batches on a device: the corpus lies there as a whole, and nothing is asked of the device.

What is made is what :mod:`topicdock.algorithms.batches` makes, by other means. To ask a device how much it has found is
to wait until it has done all that it was told before; so every size is known beforehand. The host knows how many words
each document has, draws the order of an epoch, and so knows how many numbers each batch holds. Numbers that become
zero, where a document is divided, stay in their places.

All of it runs on any device of torch's; on one that is the CPU it is how it is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.batches import DIVIDED, SEEN_SHARE, SEEN_SHARE_SHORT, BatchSettings, EncoderInput
from topicdock.corpus.documents import AnyDocuments, as_documents

_PREPARED_DOCUMENTS = 1 << 14
_PREPARED_COUNTS = 1 << 23
"""Numbers that are laid out at a time, each of which takes some tens of bytes."""
_BLOCK_NUMBERS = 1 << 26
"""Numbers in a dense block of documents at most, 256 MB, but for the least rows."""
_LEAST_ROWS = 16


@dataclass(frozen=True)
class Entries:
    """Numbers in a block of B documents and V words, most of which are zeros.

    Attributes
    ----------
    values : Tensor, shape (N,)
    places : Tensor of int64, shape (N,)
        Where they stand in the block laid out row by row; each place once.
    starts : array of int64, shape (B + 1,)
        Where each document's numbers begin, and the end of the last: on the host.
    width : int
        V.
    """

    values: Tensor
    places: Tensor
    starts: NDArray[np.int64]
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def cut(self) -> list[tuple[int, int]]:
        """Return between which documents to cut, so that a dense block of each part has a bounded size."""
        step = max(_LEAST_ROWS, _BLOCK_NUMBERS // self.width)
        return [(first, min(first + step, len(self))) for first in range(0, len(self), step)]

    def part(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Return the values of the documents `first` to `last` - 1, and their places in a block of these alone."""
        if (first, last) == (0, len(self)):
            return self.values, self.places
        begin, end = self.starts[first], self.starts[last]
        return self.values[begin:end], self.places[begin:end] - first * self.width

    def dense(self, first: int, last: int) -> Tensor:
        """Return the documents `first` to `last` - 1 with all their zeros, shape (last - first, V)."""
        values, places = self.part(first, last)
        block = values.new_zeros((last - first) * self.width)
        return block.scatter_(0, places, values).view(last - first, self.width)

    def columns(self) -> Tensor:
        """Return which words have a number above zero in any of the documents, shape (V,), true or false."""
        largest = self.values.new_zeros(self.width)
        return largest.scatter_reduce_(0, self.places % self.width, self.values, "amax") > 0


@dataclass(frozen=True)
class DeviceBatch:
    """B documents, laid out on a device for training.

    Attributes
    ----------
    input : Entries
        What the encoder is given: counts, their log(1 + counts), or their shares of the document.
    predicted : Entries
        The counts that the decoder is to predict, or a power of them.
    shares : Tensor, shape (N,)
        The same, each divided by the sum of its document's.
    lengths : Tensor, shape (B,)
        The sum of each document's counts to predict.
    """

    input: Entries
    predicted: Entries
    shares: Tensor
    lengths: Tensor

    @property
    def values(self) -> Tensor:
        """The counts to predict, shape (N,)."""
        return self.predicted.values

    @property
    def input_by_word(self) -> Entries:
        """What the gradient of the first layer is made of: here the input itself."""
        return self.input

    def __len__(self) -> int:
        return len(self.lengths)

    def words(self) -> Tensor:
        """Return how many words there are to predict, a scalar on the device."""
        return self.lengths.sum(dtype=torch.float64)


@dataclass(frozen=True)
class DeviceCorpus:
    """D documents on a device.

    Attributes
    ----------
    words : Tensor of int32, shape (nnz,)
    counts : Tensor, shape (nnz,)
    starts : Tensor of int64, shape (D + 1,)
        Where each document's words begin, and the end of the last.
    known_starts : array of int64, shape (D + 1,)
        The same on the host.
    width : int
        V.
    """

    words: Tensor
    counts: Tensor
    starts: Tensor
    known_starts: NDArray[np.int64]
    width: int

    @classmethod
    def put(cls, documents: AnyDocuments, device: torch.device) -> DeviceCorpus:
        """Copy documents to a device, block by block."""
        documents = as_documents(documents)
        number, width = documents.shape
        words = torch.empty(documents.nnz, dtype=torch.int32, device=device)
        counts = torch.empty(documents.nnz, dtype=torch.float32, device=device)
        starts, row = np.zeros(number + 1, np.int64), 0
        for block in documents.blocks():
            first = starts[row]
            words[first : first + block.nnz].copy_(torch.tensor(block.indices))
            counts[first : first + block.nnz].copy_(torch.tensor(block.data))
            starts[row + 1 : row + 1 + block.shape[0]] = first + (block.indptr[1:] - block.indptr[0])
            row += block.shape[0]
        return cls(words, counts, torch.from_numpy(starts).to(device), starts, width)

    @property
    def device(self) -> torch.device:
        """Where the documents are."""
        return self.counts.device


class DeviceBatches:
    """The batches of a corpus on a device.

    Parameters
    ----------
    documents : csr_matrix or Documents, shape (D, V)
    settings : BatchSettings
    device : torch.device
    """

    def __init__(self, documents: AnyDocuments, settings: BatchSettings, device: torch.device) -> None:
        self._settings = settings
        self._corpus = DeviceCorpus.put(documents, device)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[DeviceBatch]:
        """Yield the batches of one epoch from number `first` on; seed, epoch and kind of device decide about them."""
        corpus, settings = self._corpus, self._settings
        rank = 0 if settings.shards is None else settings.shards.rank
        documents = len(corpus.known_starts) - 1
        order = np.random.default_rng([settings.seed, epoch, 0, rank]).permutation(documents)
        order = order[: settings.draw(documents)].astype(np.int64)
        sizes = np.diff(corpus.known_starts)[order]
        placed = _send(order, corpus.device)
        cuts = settings.cut(len(order))
        for number, bounds in _group(cuts, first, self._batches_at_a_time()):
            generator = torch.Generator(corpus.device)
            entropy = [settings.seed, epoch, number, rank]
            generator.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
            begin, end = bounds[0], bounds[-1]
            skipped = max(0, first - number * self._batches_at_a_time())
            inner = [bound - begin for bound in bounds]
            yield from _lay_out(corpus, placed[begin:end], sizes[begin:end], inner, settings, generator)[skipped:]

    def of(self, counts: csr_matrix) -> DeviceBatch:
        """Lay out documents, shape (B, V), to be scored as they are."""
        corpus = DeviceCorpus.put(counts, self._corpus.device)
        number = counts.shape[0]
        plain = BatchSettings(number, 1.0, 0, self._settings.encoder_input, predict_unseen=False, join_last=False)
        rows = torch.arange(number, device=corpus.device)
        return _lay_out(corpus, rows, np.diff(corpus.known_starts), [0, number], plain, None)[0]

    def forget(self) -> None:
        """Let go of the corpus on the device."""
        self._corpus = DeviceCorpus.put(csr_matrix((0, self._corpus.width), dtype=np.float32), self._corpus.device)

    def _batches_at_a_time(self) -> int:
        documents = max(len(self._corpus.known_starts) - 1, 1)
        fitting = _PREPARED_COUNTS * documents // max(len(self._corpus.counts), 1)
        return max(1, min(_PREPARED_DOCUMENTS, fitting) // self._settings.own_size())


def _group(cuts: list[int], first: int, size: int) -> Iterator[tuple[int, list[int]]]:
    """Yield groups of so many batches, from the one that holds batch `first` on: its number, and where they begin."""
    for number in range(first // size, -(-(len(cuts) - 1) // size)):
        yield number, cuts[number * size : (number + 1) * size + 1]


def _send(array: NDArray[np.int64], device: torch.device) -> Tensor:
    """Copy an array to a device without waiting for what the device does."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _lay_out(
    corpus: DeviceCorpus,
    rows: Tensor,
    sizes: NDArray[np.int64],
    bounds: list[int],
    settings: BatchSettings,
    generator: torch.Generator | None,
) -> list[DeviceBatch]:
    """Lay out documents as batches that begin at `bounds`, all at once as far as possible.

    `rows` are the documents' numbers, on the device; `sizes` how many different words each has, on the host. Without a
    generator nothing is divided.
    """
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    total = int(ends[-1])
    firsts = corpus.starts[rows]
    lengths = corpus.starts[rows + 1] - firsts
    own_starts = torch.cat([lengths.new_zeros(1), torch.cumsum(lengths, 0)])
    row_of = torch.repeat_interleave(torch.arange(len(rows), device=corpus.device), lengths, output_size=total)
    places_there = torch.arange(total, device=corpus.device) + (firsts - own_starts[:-1])[row_of]
    words, counts = corpus.words[places_there], corpus.counts[places_there]
    seen, predicted = counts, counts
    if settings.predict_unseen and generator is not None:
        seen, predicted = _divide(counts, row_of, len(rows), settings.short, generator)
    if settings.count_exponent != 1.0:
        predicted = predicted**settings.count_exponent
    sums = _sum_documents(predicted, own_starts)
    shares = predicted / sums.clamp(min=1e-30)[row_of]
    shown = _show(seen, settings.encoder_input, own_starts, row_of)
    places = row_of * corpus.width + words
    batches = []
    for start, end in pairwise(bounds):
        first, last = ends[start], ends[end]
        own_places = places[first:last] - start * corpus.width
        starts = ends[start : end + 1] - first
        batches.append(
            DeviceBatch(
                Entries(shown[first:last], own_places, starts, corpus.width),
                Entries(predicted[first:last], own_places, starts, corpus.width),
                shares[first:last],
                sums[start:end],
            )
        )
    return batches


def _divide(
    counts: Tensor, row_of: Tensor, documents: int, short_share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return what of `counts` the encoder sees, and what is predicted: see :mod:`topicdock.algorithms.batches`."""

    def draw(number: int) -> Tensor:
        return torch.rand(number, generator=generator, device=counts.device)

    (least, most), (least_short, most_short) = SEEN_SHARE, SEEN_SHARE_SHORT
    short, drawn = draw(documents) < short_share, draw(documents)
    share = torch.where(
        short, drawn * (most_short - least_short) + least_short, drawn * (most - least) + least
    )[row_of]  # fmt: skip
    whole = counts * (draw(len(counts)) < share)
    divided = torch.binomial(counts.floor(), share, generator=generator)
    seen = torch.where((counts >= 2) & (draw(len(counts)) < DIVIDED), divided, whole)
    return seen, torch.where(short[row_of], counts, counts - seen)


def _show(seen: Tensor, encoder_input: EncoderInput, starts: Tensor, row_of: Tensor) -> Tensor:
    """Return what an encoder is shown of documents: see the hyperparameter ``encoder_input``."""
    if encoder_input == "log1p":
        return seen.log1p()
    if encoder_input == "frequencies":
        return seen / _sum_documents(seen, starts).clamp(min=1e-30)[row_of]
    return seen


def _sum_documents(values: Tensor, starts: Tensor) -> Tensor:
    """Return the sum of each document's values, shape (B,), one after the other: the same bits each time."""
    sums: Tensor = torch.segment_reduce(values, "sum", offsets=starts, unsafe=True)  # checks would ask the device
    return sums
