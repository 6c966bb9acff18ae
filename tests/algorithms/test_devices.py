"""Fitting on a device: the same code on the CPU as a device, against the CPU's own kernels and dense autograd."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, vstack

from tests.batches import batches_of
from tests.jobs import planted_corpus
from tests.two_sides import TwoSides
from topicdock.algorithms import device_batches, device_trial, devices
from topicdock.algorithms.batches import Batch, BatchSettings, EncoderInput
from topicdock.algorithms.device_batches import DeviceBatch, DeviceBatches, Entries
from topicdock.algorithms.device_kernels import DenseDecoder, DenseLayer, mix
from topicdock.algorithms.device_optimizer import DeviceOptimizer
from topicdock.algorithms.first_layer import SparseLayer
from topicdock.algorithms.fitting import Fit
from topicdock.algorithms.gradients import RowGradient
from topicdock.algorithms.hosts import ALONE
from topicdock.algorithms.loss_sums import LossSums
from topicdock.algorithms.optimizers import Optimizer, OptimizerSettings, Parameter
from topicdock.algorithms.snapshots import Snapshot
from topicdock.algorithms.variational import VariationalTrainer
from topicdock.corpus.documents import as_documents
from topicdock.errors import CustomerError, PlatformError
from topicdock.spec.registry import ALGORITHMS

CPU = torch.device("cpu")
DEVICES = [CPU, *([torch.device("cuda", 0)] if torch.cuda.is_available() else [])]
ON_EACH = pytest.mark.parametrize("device", DEVICES, ids=str)
BOTH = pytest.mark.parametrize("algorithm", ["ntm", "etm"])
EMPTY = csr_matrix((1, 40), dtype=np.float32)
COUNTS = planted_corpus(600)
VALIDATION = planted_corpus(100, seed=1)
SETTINGS = BatchSettings(64, 1.0, 3, "log1p", predict_unseen=True, join_last=False)


@pytest.fixture(params=[False, True], ids=["one block", "many blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let dense blocks hold few documents, or as many as they do."""
    if request.param:
        monkeypatch.setattr(device_batches, "_BLOCK_NUMBERS", 40)
        monkeypatch.setattr(device_batches, "_LEAST_ROWS", 7)
    return iter(())


def fit(algorithm: str, device: torch.device | None, *, keeper: Any = None, stop: Any = None, **given: Any) -> Fit:
    specification = ALGORITHMS[algorithm]
    hyperparameters = specification.hyperparameters.parse(
        {"num_topics": "4", "feature_dim": "40", **{name: str(value) for name, value in given.items()}}
    )
    module = importlib.import_module(specification.module)
    fitted: Fit = module.fit(
        COUNTS, hyperparameters, validation=VALIDATION, device=device, keeper=keeper,
        should_stop=stop or (lambda: False),
    )  # fmt: skip
    return fitted


def put(counts: csr_matrix, device: torch.device, encoder_input: EncoderInput = "log1p") -> DeviceBatch:
    """Lay out documents on a device as they are."""
    return DeviceBatches(counts, replace(SETTINGS, encoder_input=encoder_input), device).of(counts)


@ON_EACH
@BOTH
def test_planted_topics_are_recovered_by_the_plain_call(algorithm: str, device: torch.device) -> None:
    fitted, processor = fit(algorithm, device), fit(algorithm, None)
    assert min(int(np.bincount(words // 10).max()) for words in fitted.model.top_words(10)) >= 9
    assert fitted.best_loss == pytest.approx(processor.best_loss, rel=0.02)
    np.testing.assert_allclose(fitted.score(VALIDATION).total, fitted.best_loss, rtol=1e-6)


@ON_EACH
@BOTH
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(algorithm: str, device: torch.device) -> None:
    first, again, other = (fit(algorithm, device, epochs=2, seed=seed).model.arrays for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["projection_weight"], other["projection_weight"])


@ON_EACH
@pytest.mark.parametrize(
    ("algorithm", "given"),
    [
        ("ntm", {"recipe": "sagemaker"}),
        ("ntm", {"batch_norm": "true", "optimizer": "adagrad", "weight_decay": 0.001}),
        ("ntm", {"optimizer": "rmsprop", "learning_rate": 0.002, "clip_gradient": 0.1, "rescale_gradient": 0.5}),
        ("etm", {"recipe": "authors"}),
        ("etm", {"likelihood": "poisson", "clip_gradient_norm": 1.0, "encoder_dropout": 0.2}),
    ],
)
def test_every_kind_of_model_learns_as_on_the_processor(
    algorithm: str, given: dict[str, Any], device: torch.device
) -> None:
    there, here = (fit(algorithm, where, epochs=6, **given) for where in (device, None))
    assert there.best_loss == pytest.approx(here.best_loss, rel=0.02)


@ON_EACH
@BOTH
def test_what_is_served_is_the_graph_that_was_trained(algorithm: str, device: torch.device) -> None:
    result = fit(algorithm, device, epochs=3)
    trainer = result.score.__self__  # type: ignore[attr-defined]
    documents = put(COUNTS, device, result.model.metadata.hyperparameters["encoder_input"])
    with torch.no_grad():
        mu, _ = trainer.network.posterior(documents, training=False)
    np.testing.assert_allclose(result.model.transform(COUNTS), torch.softmax(mu, 1).cpu().numpy(), atol=1e-5)


class Keeper:
    """Keeps the last snapshot; begins with one, if there is one."""

    def __init__(self, snapshot: Snapshot | None = None, *, always: bool = False) -> None:
        self.snapshot, self._always = snapshot, always

    def restore(self) -> Snapshot | None:
        return self.snapshot

    def due(self) -> bool:
        return self._always

    def keep(self, make: Any, *, wait: bool) -> bool:
        self.snapshot = make()
        return True


@ON_EACH
@BOTH
@pytest.mark.parametrize("steps", [5, 12, 30])
def test_a_fit_that_was_interrupted_ends_with_the_same_bits(algorithm: str, device: torch.device, steps: int) -> None:
    asked = iter(range(10_000))
    keeper = Keeper()
    fit(algorithm, device, keeper=keeper, stop=lambda: next(asked) >= steps, epochs=4, mini_batch_size=64)
    assert keeper.snapshot is not None
    resumed = fit(algorithm, device, keeper=Keeper(keeper.snapshot), epochs=4, mini_batch_size=64)
    whole = fit(algorithm, device, keeper=Keeper(always=True), epochs=4, mini_batch_size=64)
    assert resumed.best_loss == whole.best_loss
    assert all(np.array_equal(resumed.model.arrays[name], array) for name, array in whole.model.arrays.items())


@ON_EACH
def test_each_document_is_once_in_an_epoch_and_nothing_of_it_is_lost(device: torch.device) -> None:
    counts = vstack([COUNTS[:150], EMPTY]).tocsr()
    source = DeviceBatches(counts, replace(SETTINGS, encoder_input="counts"), device)
    whole = np.sort(np.asarray(counts.sum(1)).ravel())
    for epoch in (1, 2):
        batches = list(source.epoch(epoch))
        assert [len(batch) for batch in batches] == [64, 64, 23]
        seen = np.concatenate([batch.input.dense(0, len(batch)).sum(1).cpu() for batch in batches])
        unseen = torch.cat([batch.lengths for batch in batches]).cpu().numpy()
        np.testing.assert_array_equal(np.sort(seen + unseen), whole)
        assert 0.2 < seen.sum() / whole.sum() < 0.5
    assert sum(float(batch.words()) for batch in batches) == unseen.sum()


@ON_EACH
def test_the_divided_counts_are_those_of_the_documents(device: torch.device) -> None:
    """Each batch's two parts add up to documents of the corpus, whole numbers both."""
    source = DeviceBatches(COUNTS, replace(SETTINGS, encoder_input="counts"), device)
    rows = {row.tobytes() for row in COUNTS.toarray()}
    for batch in source.epoch(1):
        parts = [entries.dense(0, len(batch)).cpu().numpy() for entries in (batch.input, batch.predicted)]
        assert all((part >= 0).all() and (part == np.floor(part)).all() for part in parts)
        assert all(row.tobytes() in rows for row in sum(parts))  # type: ignore[union-attr]


def test_the_decoder_is_asked_for_a_power_of_the_counts_wherever_it_is() -> None:
    whole = replace(SETTINGS, predict_unseen=False, count_exponent=0.5, mini_batch_size=COUNTS.shape[0])
    (here,), (there,) = batches_of(COUNTS, whole), DeviceBatches(COUNTS, whole, CPU).epoch(1)
    order = np.random.default_rng([whole.seed, 1, 0, 0]).permutation(COUNTS.shape[0])
    roots = np.sqrt(COUNTS[order].toarray())
    np.testing.assert_allclose(here.predicted.to_dense().numpy(), roots, rtol=1e-6)
    np.testing.assert_allclose(there.predicted.dense(0, len(there)).numpy(), roots, rtol=1e-6)
    np.testing.assert_allclose(here.lengths.numpy(), roots.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(there.lengths.numpy(), roots.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(here.input.to_dense().numpy(), np.log1p(COUNTS[order].toarray()), rtol=1e-6)


def test_words_go_to_the_encoder_as_often_as_on_the_processor() -> None:
    counts = csr_matrix(np.tile(np.array([[1, 1, 1, 2, 3, 9]], np.float32), (4000, 1)))
    settings = replace(SETTINGS, encoder_input="counts", mini_batch_size=4000)
    there = next(DeviceBatches(counts, settings, torch.device("cpu")).epoch(1)).input.dense(0, 4000)
    (here,) = batches_of(counts, settings)
    processor = here.input.to_dense()
    np.testing.assert_allclose(there.mean(0), processor.mean(0), rtol=0.08)
    np.testing.assert_allclose(there.std(0), processor.std(0), rtol=0.08)


@ON_EACH
def test_an_epoch_can_be_entered_at_any_batch(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_batches, "_PREPARED_DOCUMENTS", 128)
    source = DeviceBatches(COUNTS, SETTINGS, device)
    whole = [batch.input.values for batch in source.epoch(1)]
    assert len(whole) == 10
    for first in range(11):
        rest = [batch.input.values for batch in source.epoch(1, first)]
        assert len(rest) == 10 - first
        assert all(torch.equal(a, b) for a, b in zip(rest, whole[first:], strict=True))


@ON_EACH
@pytest.mark.parametrize("encoder_input", ["counts", "log1p", "frequencies"])
def test_what_is_scored_is_what_the_processor_scores(encoder_input: EncoderInput, device: torch.device) -> None:
    counts = vstack([COUNTS[:50], EMPTY]).tocsr()
    there, here = put(counts, device, encoder_input), Batch.of(counts, encoder_input)
    torch.testing.assert_close(there.input.dense(0, 51).cpu(), here.input.to_dense())
    torch.testing.assert_close(there.predicted.dense(0, 51).cpu(), here.predicted.to_dense())
    torch.testing.assert_close(there.lengths.cpu(), here.lengths)
    torch.testing.assert_close(there.shares.cpu(), here.shares)
    assert float(there.words()) == here.words()


@ON_EACH
@pytest.mark.usefixtures("blocks")
def test_the_first_layer_and_its_gradients_are_those_of_float64(device: torch.device) -> None:
    generator = torch.Generator().manual_seed(0)
    counts = vstack([COUNTS[:50], EMPTY]).tocsr()
    weight, upstream = torch.randn(40, 9, generator=generator), torch.randn(51, 9, generator=generator)
    layer = DenseLayer(weight.to(device), torch.ones(9, device=device, requires_grad=True))
    batch = put(counts, device, "counts")
    block = layer(batch.input, batch.input_by_word)
    block.backward(upstream.to(device))  # type: ignore[no-untyped-call]
    dense = torch.from_numpy(counts.toarray()).double()
    _close(block, dense @ weight.double() + 1)
    _close(layer.bias.grad, upstream.double().sum(0))
    assert layer.gradient is not None
    _close(layer.gradient.values, dense.t() @ upstream.double())
    assert torch.equal(layer.gradient.present().cpu(), dense.sum(0) > 0)


@ON_EACH
@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("spread", [0.02, 3.0, 80.0])
def test_the_decoder_and_its_gradients_are_those_of_float64(spread: float, device: torch.device) -> None:
    theta, weight, counts = _draw(spread)
    batch = put(counts, device)
    own = [tensor.clone().to(device).requires_grad_() for tensor in (theta, weight)]
    recon = DenseDecoder(own[1])(own[0], batch)
    (3 * recon).backward()  # type: ignore[no-untyped-call]
    exact = [tensor.double().requires_grad_() for tensor in (theta, weight)]
    logits = exact[0] @ exact[1][:-1] + exact[1][-1]
    expected = -(torch.from_numpy(counts.toarray()).double() * torch.log_softmax(logits, 1)).sum()
    (3 * expected).backward()  # type: ignore[no-untyped-call]
    _close(recon, expected)
    for got, right in zip(own, exact, strict=True):
        _close(got.grad, right.grad)


@ON_EACH
@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("floor", [0.0, 1e-6])
def test_the_mixture_and_its_gradients_are_those_of_float64(floor: float, device: torch.device) -> None:
    theta, weight, counts = _draw(2.0)
    logits = weight[:-1].t().contiguous()
    batch = put(counts, device)
    own = [tensor.clone().to(device).requires_grad_() for tensor in (theta, logits)]
    recon = mix(own[0], own[1], batch, floor)
    (3 * recon).backward()  # type: ignore[no-untyped-call]
    exact = [tensor.double().requires_grad_() for tensor in (theta, logits)]
    p = exact[0] @ torch.softmax(exact[1], 0).t() + floor
    expected = -(torch.from_numpy(counts.toarray()).double() * p.log()).sum()
    (3 * expected).backward()  # type: ignore[no-untyped-call]
    _close(recon, expected)
    for got, right in zip(own, exact, strict=True):
        _close(got.grad, right.grad)


def _draw(spread: float) -> tuple[torch.Tensor, torch.Tensor, csr_matrix]:
    """Return theta (31, 5), a decoder's weight (6, 40) and documents, one of them empty."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.softmax(2 * torch.randn(31, 5, generator=generator), 1)
    return theta, spread * torch.randn(6, 40, generator=generator), vstack([COUNTS[:30], EMPTY]).tocsr()


def _close(got: torch.Tensor | None, right: torch.Tensor | None) -> None:
    assert got is not None
    assert right is not None
    right = right.detach()
    assert float((got.detach().cpu().double() - right).norm() / right.norm()) < 1e-5


@ON_EACH
@pytest.mark.parametrize("clip_norm", [float("inf"), 0.5])
def test_lazy_adam_takes_the_steps_that_it_takes_on_the_processor(device: torch.device, clip_norm: float) -> None:
    """Rows of words that a batch lacks stay, and their moments wait."""
    counts = csr_matrix((np.ones(3, np.float32), [1, 3, 3], [0, 2, 3]), (2, 6))
    settings = OptimizerSettings("adam", 0.1, lazy=True, clip_norm=clip_norm)
    weight, bias = torch.ones(6, 2), torch.ones(2)
    first = SparseLayer(weight.clone(), bias)
    other = DenseLayer(weight.to(device), bias.to(device))
    beside = [torch.ones(4, device=where, requires_grad=True) for where in ("cpu", device)]
    here = Optimizer([Parameter(first.weight, layer=first), Parameter(beside[0])], settings)
    there = DeviceOptimizer([Parameter(other.weight, layer=other), Parameter(beside[1])], settings)
    before = other.weight.clone()
    for step in range(4):
        documents = counts if step != 1 else counts[1:]
        batch = put(documents, device, "counts")
        other.bias.requires_grad_()
        block = other(batch.input, batch.input_by_word)
        block.backward(torch.full((len(batch), 2), 0.3 + step, device=device))  # type: ignore[no-untyped-call]
        other.bias.grad = None
        rows = [1, 3] if step != 1 else [3]
        sums = np.asarray(documents.sum(0), np.float32).ravel()[rows]
        first.gradient = RowGradient(torch.tensor(rows), torch.outer(torch.tensor(sums), torch.full((2,), 0.3 + step)))
        for tensor in beside:
            tensor.grad = torch.full_like(tensor, 0.7)
        here.step()
        there.step()
    torch.testing.assert_close(other.weight.cpu(), first.weight)
    torch.testing.assert_close(beside[1].cpu(), beside[0])
    assert torch.equal(other.weight[[0, 2, 4, 5]], before[[0, 2, 4, 5]])


HYPERPARAMETERS = ALGORITHMS["ntm"].hyperparameters.parse({"num_topics": "4", "feature_dim": "40"})


def choose(wanted: str) -> torch.device | None:
    return devices.choose_device(wanted, "here", as_documents(COUNTS), HYPERPARAMETERS)


def _refuse(*_: Any) -> Any:
    raise torch.AcceleratorError("CUDA error: out of memory\nmore lines")


def test_memory_that_runs_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(Entries, "dense", fail)
    with pytest.raises(PlatformError, match=r"no memory left.*mini_batch_size, or TOPICDOCK_DEVICE=cpu"):
        fit("ntm", CPU, epochs=1)


def test_without_a_gpu_the_processor_is_taken_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert choose("auto") is None
    assert "Training on the CPU: this build of PyTorch" in caplog.text
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert choose("auto") is None
    assert "Training on the CPU: there is no GPU that PyTorch can use" in caplog.text
    with pytest.raises(CustomerError, match=r"cannot be fitted on a GPU.*there is no GPU"):
        choose("cuda")
    assert choose("cpu") is None
    assert "Training on the CPU: here says so." in caplog.text


def test_what_does_not_fit_into_the_gpu_is_fitted_on_the_processor(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    free = 1_000_000_000
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA Test")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (free, free))
    assert choose("auto") is None
    assert "documents and model need about 2.1 GB, and the GPU has 1.0 GB free" in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "mem_get_info", _refuse)
        assert choose("auto") is None
        assert "Training on the CPU: the GPU cannot be used: CUDA error: out of memory." in caplog.text
    free = 8_000_000_000
    monkeypatch.setattr(devices, "find_fault", lambda _: "no kernel image is available")
    assert choose("auto") is None
    assert "Training on the CPU: the GPU failed a trial: no kernel image is available." in caplog.text
    monkeypatch.setattr(devices, "find_fault", lambda _: "")
    assert choose("auto") == choose("cuda") == torch.device("cuda", 1)
    assert "Training on the GPU cuda:1, NVIDIA Test, with 8.0 GB free." in caplog.text


def test_each_process_of_a_host_has_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    current = [0]
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA Test")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (1 << 40, 1 << 40))
    monkeypatch.setattr(devices, "find_fault", lambda _: "")

    def choose_at(place: int) -> torch.device | None:
        return devices.choose_device("cuda", "here", as_documents(COUNTS), HYPERPARAMETERS, ALONE, place)

    assert [choose_at(0), choose_at(1)] == [torch.device("cuda", 0), torch.device("cuda", 1)]
    with pytest.raises(CustomerError, match="there is a GPU for each of the first 2 processes alone"):
        choose_at(2)


@ON_EACH
def test_a_device_that_works_passes_its_trial(device: torch.device) -> None:
    assert device_trial.find_fault(device) == ""


def test_a_device_that_cannot_or_that_errs_fails_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    place, calls = "topicdock.algorithms.device_trial.mix", 0

    def fail(*_: Any) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available for execution\nmore lines")

    def err_once(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return mix(*arguments) * (1.01 if calls == 1 else 1.0)

    monkeypatch.setattr(place, fail)
    assert device_trial.find_fault(CPU) == "CUDA error: no kernel image is available for execution"
    monkeypatch.setattr(place, err_once)
    assert device_trial.find_fault(CPU) == "its results are not those of the processor"


def test_another_word_for_a_device_is_refused() -> None:
    with pytest.raises(CustomerError, match=r"no such device.*'gpu'.*auto, cpu, cuda"):
        choose("gpu")


@BOTH
@pytest.mark.parametrize(
    "given",
    [{}, {"optimizer": "adagrad", "weight_decay": 0.001}, {"encoder_layers": "9,8", "mini_batch_size": 600}],
    ids=["plain", "adagrad", "one batch"],
)
def test_an_epoch_asks_the_device_nothing_and_mixes_no_sides(
    algorithm: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU would have to be waited for, or would refuse, told without one."""
    monkeypatch.setattr(device_batches, "_PREPARED_DOCUMENTS", 256)
    monkeypatch.setattr(VariationalTrainer, "finish", lambda _: None)  # as it is to go on
    trainer: Any = fit(algorithm, CPU, epochs=2, **{"mini_batch_size": 64, **given}).score.__self__  # type: ignore[attr-defined]
    network = trainer.network
    corpus = trainer._source._corpus
    fixed = [tensor for _, tensor in (*network.state(), *network.fixed()) if tensor.dim()]
    norms = [tensor for norm in network.encoder.norms.values() for tensor in (norm.scale, norm.shift)]
    moments = [tensor for _, tensor in trainer._optimizer.state()]
    figures = [network.frequencies if algorithm == "etm" else trainer._frequencies]
    with TwoSides([*fixed, *norms, *moments, *figures, corpus.words, corpus.counts, corpus.starts]) as sides:
        send = device_batches._send
        monkeypatch.setattr(device_batches, "_send", lambda array, device: sides.put(send(array, device)))
        monkeypatch.setattr(LossSums, "losses", lambda sums: sums._values)
        recon, *_ = trainer.train_epoch()
    assert sides.belongs(recon)
    assert sides.operations > 50


def test_the_sides_are_told_apart() -> None:
    device = torch.ones(3, device=CPU)
    with TwoSides([device]) as sides:
        there = torch.zeros(3, device=CPU) + torch.tensor(1.0)
        assert sides.belongs(there[1:])
        assert not sides.belongs(torch.zeros(3))
        with pytest.raises(AssertionError, match="both sides"):
            device + torch.zeros(3)
        with pytest.raises(AssertionError, match="waits for the device"):
            float((there + device).sum())
