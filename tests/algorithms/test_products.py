"""Products by oneDNN, and without it, against float64."""

from __future__ import annotations

import pytest
import torch

from topicdock.algorithms import products
from topicdock.algorithms.affine import similarities
from topicdock.algorithms.gradients import Apart
from topicdock.algorithms.products import product


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=[True, False], ids=["with oneDNN", "without"], autouse=True)
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_ONEDNN", products._ONEDNN and request.param)


def test_this_torch_has_onednns_product() -> None:
    assert hasattr(torch.ops.mkldnn, "_linear_pointwise")


@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_product_is_that_of_the_matrices_however_they_are_laid_out(rows: int, dtype: torch.dtype) -> None:
    left, right = random(rows, 19, seed=0).to(dtype), random(19, 45, seed=1).to(dtype)
    expected = left.double() @ right.double()
    for a in (left, left.t().contiguous().t(), torch.cat([left, left], 1)[:, :19]):
        for b in (right, right.t().contiguous().t(), torch.cat([right, right], 1)[:, :45]):
            torch.testing.assert_close(product(a, b), expected.to(dtype), rtol=1e-5, atol=1e-5)


def test_a_bias_is_added_to_every_row_of_a_product() -> None:
    left, right, bias = random(7, 19, seed=0), random(19, 45, seed=1), random(45, seed=2)
    torch.testing.assert_close(product(left, right, bias), left @ right + bias)


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
