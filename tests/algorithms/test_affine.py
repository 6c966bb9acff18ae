"""Layers of relu and affine maps without the units that no document reaches, and similarities, against autograd."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from tests.models import random_counts
from topicdock.algorithms import rectified
from topicdock.algorithms.affine import affine, similarities
from topicdock.algorithms.batches import Batch
from topicdock.algorithms.first_layer import SparseLayer
from topicdock.algorithms.gradients import Apart, ByRows
from topicdock.algorithms.products import product, product_of_transposed
from topicdock.algorithms.rectified import Reached, rectify

UNITS, WIDTH = 64, 40


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("relu", [False, True])
def test_an_affine_map_has_the_gradients_of_its_formula(relu: bool) -> None:
    tensors = [random(7, 5, seed=0), random(5, 3, seed=1), random(3, seed=2)]
    ours, plain = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    upstream = random(7, 3, seed=3)
    output = affine(ours[0], ours[1], ours[2], Reached(), Reached() if relu else None)
    expected = plain[0] @ plain[1] + plain[2]
    expected = torch.relu(expected) if relu else expected
    torch.testing.assert_close(output, expected)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    for tensor, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(tensor.grad, other.grad)


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("used", [0, 3, 20, UNITS])
def test_units_that_no_document_reaches_are_left_out_and_nothing_changes(
    used: int, multiple: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two layers of relu and a third without it, of whose products the units are counted."""
    monkeypatch.setattr(rectified, "_LARGE", 1)
    monkeypatch.setattr(rectified, "_MULTIPLE", multiple)
    sizes: list[int] = []

    def counted(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        sizes.append(left.shape[1])
        return product(left, right, bias)

    def counted_of_transposed(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        sizes.append(left.shape[1])
        return product_of_transposed(left, right)

    monkeypatch.setattr("topicdock.algorithms.affine.product", counted)
    monkeypatch.setattr("topicdock.algorithms.affine.product_of_transposed", counted_of_transposed)
    counts = random_counts(9, 30)
    documents = Batch.of(counts, "frequencies")
    tensors = [
        random(30, UNITS, seed=0), reaching(used, UNITS), random(UNITS, WIDTH, seed=1) / 80,
        random(WIDTH, seed=2) + reaching(20, WIDTH), random(WIDTH, 5, seed=3), random(5, seed=4),
    ]  # fmt: skip
    ours, plain = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    layer, below, above = SparseLayer(ours[0].detach(), ours[1]), Reached(), Reached()
    hidden = layer(documents.input, documents.input_by_word, below)
    hidden = affine(hidden, ours[2], ours[3], below, above)
    output = affine(hidden, ours[4], ours[5], above)
    shares = torch.from_numpy(counts.toarray() / counts.sum(1).A)
    expected = torch.relu(torch.relu(shares @ plain[0] + plain[1]) @ plain[2] + plain[3]) @ plain[4] + plain[5]
    upstream = random(9, 5, seed=5)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(output, expected)
    assert layer.gradient is not None
    torch.testing.assert_close(together(layer.gradient, 30), plain[0].grad)
    for tensor, other in zip(ours[1:], plain[1:], strict=True):
        torch.testing.assert_close(tensor.grad, other.grad)
    units = math.ceil(used / multiple) * multiple
    assert sizes == [units, 20, 5, 20, 20, units]  # forwards; of outputs and inputs, backwards
    assert above.units is not None
    assert above.units.tolist() == sorted(above.units.tolist())
    assert (below.units is None) == (used == UNITS)


def reaching(used: int, units: int) -> torch.Tensor:
    """Return what lifts so many of the units above zero for all documents, and the others below."""
    chosen = torch.randperm(units, generator=seeded(6))[:used]
    return torch.full((units,), -100.0).index_fill_(0, chosen, 0.5 if used == units else 9.0)


def together(gradient: ByRows, length: int) -> torch.Tensor:
    """Return a gradient by parts that end anywhere, put together; as a whole it is the same."""
    cuts = sorted({0, 1, min(6, len(gradient.rows)), len(gradient.rows)})
    parts = [gradient.part(first, last) for first, last in pairwise(cuts)]
    assert torch.equal(torch.cat([part.rows for part in parts]), gradient.rows)
    whole = gradient.whole().dense(length)
    torch.testing.assert_close(torch.cat([part.values for part in parts]), whole[gradient.rows])
    return whole


def test_a_small_block_is_not_looked_through() -> None:
    reached, block = Reached(), random(4, 10, seed=0)
    assert torch.equal(rectify(block.clone(), reached), torch.relu(block))
    assert reached.units is None


def test_what_is_not_a_number_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rectified, "_LARGE", 1)
    reached, block = Reached(), torch.zeros(4, 100)
    block[2, 7] = torch.nan
    kept = rectify(block, reached)
    assert kept.shape == (4, 64)
    assert affine(kept, random(100, 3, seed=1), random(3, seed=2), reached)[2].isnan().all()


@pytest.mark.parametrize("learned", [(True, True), (False, True), (True, False)])
def test_similarities_have_the_gradients_of_their_formula_where_these_are_asked_for(learned: tuple[bool, bool]) -> None:
    tensors = [random(7, 5, seed=0), random(3, 5, seed=1)]
    ours, plain = (
        [tensor.clone().requires_grad_(wanted) for tensor, wanted in zip(tensors, learned, strict=True)]
        for _ in range(2)
    )
    upstream = random(7, 3, seed=3)
    output, expected = similarities(ours[0], ours[1]), plain[0] @ plain[1].t()
    torch.testing.assert_close(output, expected)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    for tensor, other in zip(ours, plain, strict=True):
        assert (tensor.grad is None) == (other.grad is None)
        if tensor.grad is not None:
            torch.testing.assert_close(tensor.grad, other.grad)


def test_a_gradient_that_is_put_apart_is_the_same_and_stays_when_the_other_factor_moves() -> None:
    left, right, upstream = random(7, 5, seed=0), random(3, 5, seed=1).requires_grad_(), random(7, 3, seed=3)
    apart = Apart()
    similarities(left, right, apart).backward(upstream)  # type: ignore[no-untyped-call]
    expected = upstream @ right.detach()
    with torch.no_grad():
        right.zero_()
    assert apart.gradient is not None
    torch.testing.assert_close(apart.gradient.whole().dense(7), expected)
    part = apart.gradient.part(2, 5)
    assert part.rows.tolist() == [2, 3, 4]
    torch.testing.assert_close(part.values, expected[2:5])
    torch.testing.assert_close(right.grad, upstream.t() @ left)
