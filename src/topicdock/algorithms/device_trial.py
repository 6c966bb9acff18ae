"""A trial of a device before a fit relies on it: a step on a few documents, beside the same step on the processor.

A driver too old, or a build of PyTorch without programs for just this GPU, shows only when it is used.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from topicdock.algorithms.batches import BatchSettings
from topicdock.algorithms.device_batches import DeviceBatches
from topicdock.algorithms.device_kernels import DenseDecoder, DenseLayer, mix
from topicdock.algorithms.device_optimizer import DeviceOptimizer
from topicdock.algorithms.optimizers import OptimizerSettings, Parameter

_DOCUMENTS, _WORDS, _TOPICS = 24, 16, 4
_TOLERANCE = 1e-3


def find_fault(device: torch.device) -> str:
    """Return what is wrong with a device, in words; nothing if it does as the processor does."""
    try:
        results = _take_step(device)
    except RuntimeError as error:  # all that torch and CUDA raise
        return str(error).strip().splitlines()[0] or type(error).__name__
    alike = (
        torch.allclose(got, expected, _TOLERANCE, _TOLERANCE)
        for got, expected in zip(results, _take_step(torch.device("cpu")), strict=True)
    )
    return "" if all(alike) else "its results are not those of the processor"


def _take_step(device: torch.device) -> list[Tensor]:
    """Return losses and weights of a step with all kernels, and what an epoch's batches hold of each word."""
    counts = csr_matrix(np.random.default_rng(0).poisson(1.0, (_DOCUMENTS, _WORDS)).astype(np.float32))
    settings = BatchSettings(_DOCUMENTS // 2, 1.0, 0, "counts", predict_unseen=True, join_last=False)
    source = DeviceBatches(counts, settings, device)
    batch = source.of(counts)
    generator = torch.Generator().manual_seed(0)
    layer = DenseLayer(_draw((_WORDS, _TOPICS), generator, device), _draw((_TOPICS,), generator, device))
    layer.bias.requires_grad_()
    decoder = _draw((_TOPICS + 1, _WORDS), generator, device).requires_grad_()
    theta = torch.softmax(layer(batch.input, batch.input_by_word), 1)
    loss = DenseDecoder(decoder)(theta, batch) + mix(theta, decoder[:-1].t(), batch)
    (loss / batch.words()).backward()  # type: ignore[no-untyped-call]
    parameters = [Parameter(layer.weight, layer=layer), Parameter(layer.bias), Parameter(decoder)]
    DeviceOptimizer(parameters, OptimizerSettings("adam", 0.1, lazy=True)).step()
    held = torch.zeros(_WORDS, device=device)
    for part in source.epoch(1):
        held += part.input.dense(0, len(part)).sum(0) + part.predicted.dense(0, len(part)).sum(0)
    return [tensor.detach().cpu() for tensor in (loss, layer.weight, layer.bias, decoder, held)]


def _draw(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=generator).to(device)
