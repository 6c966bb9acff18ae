"""Products by oneDNN, and without it, against float64."""

from __future__ import annotations

import math

import pytest
import torch

from topicdock.algorithms import products
from topicdock.algorithms.products import affine, product, similarities


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


def test_an_affine_map_has_the_gradients_of_its_formula() -> None:
    tensors = [random(7, 5, seed=0), random(5, 3, seed=1), random(3, seed=2)]
    ours, plain = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    upstream = random(7, 3, seed=3)
    output, expected = affine(*ours), plain[0] @ plain[1] + plain[2]
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
    monkeypatch.setattr(products, "_LARGE", 1)
    monkeypatch.setattr(products, "_MULTIPLE", multiple)
    sizes: list[int] = []
    multiply = products.product

    def counted(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        sizes.append(left.shape[1])
        return multiply(left, right)

    monkeypatch.setattr(products, "product", counted)
    shift = torch.full((64,), -100.0).index_fill_(0, torch.randperm(64, generator=seeded(4))[:used], 0.5)
    tensors = [random(9, 64, seed=0) + shift, random(64, 40, seed=1), random(40, seed=2)]
    ours, plain = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    output = affine(torch.relu(ours[0]), *ours[1:], rectified=True)
    expected = torch.relu(plain[0]) @ plain[1] + plain[2]
    upstream = random(9, 40, seed=3) * (torch.arange(40) % 2)  # half of the units above are not reached, either
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(output, expected)
    for tensor, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(tensor.grad, other.grad)
    assert sizes == [math.ceil(used / multiple) * multiple, 20, 9]  # what is summed over: units, outputs, documents


def test_what_is_not_a_number_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_LARGE", 1)
    block = torch.zeros(4, 10)
    block[2, 7] = torch.nan
    assert affine(block, random(10, 3, seed=1), random(3, seed=2), rectified=True)[2].isnan().all()


@pytest.mark.parametrize("learned", [(True, True), (False, True), (True, False)])
def test_similarities_have_the_gradients_of_their_formula_where_these_are_asked_for(learned: tuple[bool, bool]) -> None:
    tensors = [random(7, 5, seed=0), random(3, 5, seed=1)]
    ours, plain = (
        [tensor.clone().requires_grad_(wanted) for tensor, wanted in zip(tensors, learned, strict=True)]
        for _ in range(2)
    )
    upstream = random(7, 3, seed=3)
    output, expected = similarities(*ours), plain[0] @ plain[1].t()
    torch.testing.assert_close(output, expected)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    expected.backward(upstream)  # type: ignore[no-untyped-call]
    for tensor, other in zip(ours, plain, strict=True):
        assert (tensor.grad is None) == (other.grad is None)
        if tensor.grad is not None:
            torch.testing.assert_close(tensor.grad, other.grad)
