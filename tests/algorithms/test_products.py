"""Products by oneDNN, and without it, against float64."""

from __future__ import annotations

import pytest
import torch

from topicdock.algorithms import products
from topicdock.algorithms.products import product, product_of_transposed


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


@pytest.mark.parametrize(("left", "right"), [(45, 19), (19, 45), (45, 0), (0, 19)])
def test_a_product_of_a_transposed_matrix_is_that_whichever_is_wider(left: int, right: int) -> None:
    first, second = random(30, left, seed=0), random(30, right, seed=1)
    torch.testing.assert_close(product_of_transposed(first, second), first.t() @ second)
