"""Layers of relu without the units that no document reaches, against autograd on all of them."""

from __future__ import annotations

import math

import pytest
import torch

from topicdock.algorithms import rectified
from topicdock.algorithms.affine import affine
from topicdock.algorithms.products import product
from topicdock.algorithms.rectified import Reached, rectify


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_affine_map_has_the_gradients_of_its_formula() -> None:
    tensors = [random(7, 5, seed=0), random(5, 3, seed=1), random(3, seed=2)]
    ours, plain = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    upstream = random(7, 3, seed=3)
    output, expected = affine(ours[0], ours[1], ours[2], Reached()), plain[0] @ plain[1] + plain[2]
    torch.testing.assert_close(output, expected)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    for tensor, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(tensor.grad, other.grad)


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("used", [0, 3, 20, 64])
def test_units_that_no_document_reaches_are_left_out_and_nothing_changes(
    used: int, multiple: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two layers of relu and a third without it, of whose products the numbers of what is summed over are counted."""
    monkeypatch.setattr(rectified, "_LARGE", 1)
    monkeypatch.setattr(rectified, "_MULTIPLE", multiple)
    sizes: list[int] = []

    def counted(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        sizes.append(left.shape[1])
        return product(left, right, bias)

    monkeypatch.setattr("topicdock.algorithms.affine.product", counted)
    tensors = [
        random(9, 64, seed=0) + reaching(used, 64), random(64, 40, seed=1) / 80, random(40, seed=2) + reaching(20, 40),
        random(40, 5, seed=3), random(5, seed=4),
    ]  # fmt: skip
    ours, plain = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    first, second = Reached(), Reached()
    hidden = affine(rectify(ours[0].clone(), first), ours[1], ours[2], first, second)
    output = affine(rectify(hidden, second), ours[3], ours[4], second)
    expected = torch.relu(torch.relu(plain[0]) @ plain[1] + plain[2]) @ plain[3] + plain[4]
    upstream = random(9, 5, seed=5)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(output, expected)
    for tensor, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(tensor.grad, other.grad)
    units = math.ceil(used / multiple) * multiple
    assert sizes == [units, 20, 5, 9, 20, 9]  # forwards; of outputs and documents, backwards
    assert second.units is not None
    assert (first.units is None) == (used == 64)


def reaching(used: int, units: int) -> torch.Tensor:
    """Return what lifts so many of the units above zero for all documents, and the others below."""
    chosen = torch.randperm(units, generator=seeded(6))[:used]
    return torch.full((units,), -100.0).index_fill_(0, chosen, 0.5 if used == units else 9.0)


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
