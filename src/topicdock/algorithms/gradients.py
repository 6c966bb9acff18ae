"""Gradients that are zero but in some rows, or that are left as the products they are and taken by parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from topicdock.algorithms.products import product
from topicdock.algorithms.rectified import place
from topicdock.algorithms.sparse import WordMajor, sum_rows


@dataclass(frozen=True)
class RowGradient:
    """A gradient that is zero but in some rows: their numbers, shape (R,), rising, and their values, shape (R, H)."""

    rows: Tensor
    values: Tensor

    def dense(self, length: int) -> Tensor:
        """Return it with its zeros, shape (length, H); its own values, where it has all rows."""
        if len(self.rows) == length:
            return self.values
        return self.values.new_zeros(length, self.values.shape[1]).index_copy_(0, self.rows, self.values)

    def part(self, first: int, last: int) -> RowGradient:
        """Return the rows from number `first` of those it has to before `last`."""
        return RowGradient(self.rows[first:last], self.values[first:last])

    def whole(self) -> RowGradient:
        """Return itself."""
        return self


class ByRows(Protocol):
    """A gradient that is zero but in some rows, which are asked for by parts."""

    @property
    def rows(self) -> Tensor:
        """Their numbers, shape (R,), rising."""

    def part(self, first: int, last: int) -> RowGradient:
        """Return the rows from number `first` of those it has to before `last`."""

    def whole(self) -> RowGradient:
        """Return all rows."""


@dataclass(frozen=True)
class RowProduct:
    """Such a gradient as the product that it is, documents by word times what comes from above, shape (B, U).

    As a whole it can be as large as the layer; taken by parts it need never be in memory at once, and each part is
    still in a core's cache when it is used.
    """

    documents: WordMajor
    upstream: Tensor
    width: int
    columns: Tensor | None = None
    """The U columns that `upstream` has, of so many; None are all."""

    @property
    def rows(self) -> Tensor:
        """The numbers of the rows, shape (R,), rising."""
        return self.documents.words

    def part(self, first: int, last: int) -> RowGradient:
        """Return the rows from number `first` of those it has to before `last`."""
        counts = self.documents.counts
        starts, places = counts.crow_indices()[first : last + 1], counts.col_indices()
        begin, end = int(starts[0]), int(starts[-1])
        values = sum_rows(self.upstream, places[begin:end], starts - begin, counts.values()[begin:end])
        return RowGradient(self.rows[first:last], place(values, 1, self.columns, self.width))

    def whole(self) -> RowGradient:
        """Return all rows."""
        return self.part(0, len(self.rows))


@dataclass(frozen=True)
class FactoredGradient:
    """A gradient as the product of its factors, shapes (N, L) and (L, M): by parts, no whole one is ever in memory."""

    left: Tensor
    right: Tensor

    @property
    def rows(self) -> Tensor:
        """The numbers of all N rows."""
        return torch.arange(len(self.left))

    def part(self, first: int, last: int) -> RowGradient:
        """Return the rows from number `first` to before `last`."""
        return RowGradient(torch.arange(first, last), product(self.left[first:last], self.right))

    def whole(self) -> RowGradient:
        """Return all rows."""
        return self.part(0, len(self.left))


@dataclass
class Apart:
    """Where the backward pass leaves a gradient that the optimiser takes by parts."""

    gradient: FactoredGradient | RowGradient | None = None


@dataclass(frozen=True)
class GradientBlock:
    """The gradient of the rows from `start` to before `end`: a gradient's own from number `first` to before `last`."""

    gradient: ByRows
    first: int
    last: int
    start: int
    end: int

    def dense(self) -> Tensor:
        """Return it with its zeros."""
        part = self.gradient.part(self.first, self.last)
        return RowGradient(part.rows - self.start, part.values).dense(self.end - self.start)
