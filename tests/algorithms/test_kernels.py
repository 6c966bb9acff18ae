"""The sparse encoder layer and the closed-form decoder against autograd on dense tensors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from tests.batches import batches_of
from tests.models import random_counts
from topicdock.algorithms.batch_sources import HostBatches
from topicdock.algorithms.batches import Batch, BatchSettings, EncoderInput, Epoch, share_of_short, split
from topicdock.algorithms.decoder import Decoder
from topicdock.algorithms.encoder import BatchNorm
from topicdock.algorithms.first_layer import SparseLayer
from topicdock.algorithms.hosts import ALONE
from topicdock.algorithms.prior import Prior
from topicdock.algorithms.variational import one_cycle_factor
from topicdock.corpus.documents import InMemory, as_documents

EMPTY = csr_matrix((1, 30), dtype=np.float32)
COUNTS = vstack([random_counts(4, 30), EMPTY, random_counts(2, 30, seed=2)]).tolil()
COUNTS[:, 7] = 0  # a word that does not occur
COUNTS = COUNTS.tocsr()
DENSE = torch.from_numpy(COUNTS.toarray())


def batch(counts: csr_matrix = COUNTS) -> Batch:
    return Batch.of(counts, "counts")


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("most", [0.0, 1.0], ids=["all words' rows", "rows of those that occur"])
def test_the_sparse_layer_and_its_gradients_are_those_of_a_dense_one(
    most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topicdock.algorithms.sparse._MOST", most)
    weight, bias, upstream = random(30, 5, seed=0), random(5, seed=1).requires_grad_(), random(7, 5, seed=2)
    layer, documents = SparseLayer(weight, bias), batch()
    (layer(documents.input, documents.input_by_word) * upstream).sum().backward()  # type: ignore[no-untyped-call]
    assert layer.gradient is not None
    dense_weight, dense_bias = weight.clone().requires_grad_(), bias.detach().clone().requires_grad_()
    output = DENSE @ dense_weight + dense_bias
    (output * upstream).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(layer(documents.input, None), output)
    torch.testing.assert_close(layer.gradient.whole().dense(30), dense_weight.grad)
    torch.testing.assert_close(bias.grad, dense_bias.grad)
    occurring = np.flatnonzero(COUNTS.sum(0).A1).tolist()
    assert len(occurring) < 30
    assert layer.gradient.rows.tolist() == (occurring if most else list(range(30)))
    parts = [layer.gradient.part(first, first + 4) for first in range(0, 32, 4)]
    assert torch.equal(torch.cat([part.rows for part in parts]), layer.gradient.rows)
    assert torch.equal(torch.cat([part.values for part in parts]), layer.gradient.whole().values)


def _decode(theta: torch.Tensor, weight: torch.Tensor, documents: Batch) -> list[torch.Tensor]:
    theta, weight = theta.clone().requires_grad_(), weight.clone().requires_grad_()
    recon = Decoder(weight)(theta, documents)
    (recon * 0.3).backward()  # type: ignore[no-untyped-call]
    assert theta.grad is not None
    assert weight.grad is not None
    return [recon.detach(), theta.grad, weight.grad]


def _decode_densely(theta: torch.Tensor, weight: torch.Tensor) -> list[torch.Tensor]:
    theta, weight = theta.double().requires_grad_(), weight.double().requires_grad_()
    recon = -(DENSE * torch.log_softmax(theta @ weight[:-1] + weight[-1], 1)).sum()
    (recon * 0.3).backward()  # type: ignore[no-untyped-call]
    assert theta.grad is not None
    assert weight.grad is not None
    return [tensor.float() for tensor in (recon.detach(), theta.grad, weight.grad)]


@pytest.mark.parametrize("spread", [1.0, 60.0])  # the second so far apart that exponentials underflow
def test_the_decoder_and_its_gradients_are_those_of_log_softmax(spread: float) -> None:
    theta, weight = torch.softmax(random(7, 4, seed=0), 1), random(5, 30, seed=1) * spread
    for ours, theirs in zip(_decode(theta, weight, batch()), _decode_densely(theta, weight), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_the_decoder_gives_the_same_whether_it_takes_all_documents_at_once_or_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theta, weight = torch.softmax(random(7, 4, seed=0), 1), random(5, 30, seed=1)
    whole = _decode(theta, weight, batch())
    monkeypatch.setattr(Decoder, "rows_at_once", lambda _: 3)
    for ours, theirs in zip(_decode(theta, weight, batch()), whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)


def test_a_batch_without_documents_has_gradients_of_zero() -> None:
    weight = random(5, 30, seed=0)
    recon, grad_theta, grad_weight = _decode(torch.empty(0, 4), weight, batch(csr_matrix((0, 30), dtype=np.float32)))
    assert float(recon) == 0
    assert grad_theta.shape == (0, 4)
    assert torch.equal(grad_weight, torch.zeros_like(weight))


def test_batch_normalisation_has_the_figures_and_the_gradients_of_its_formula() -> None:
    block, upstream = (random(7, 3, seed=0) * 4 + 1).requires_grad_(), random(7, 3, seed=1)
    norm = BatchNorm(3, ALONE, torch.tensor([1.0, 1.5, 0.5]), torch.tensor([0.0, 0.2, -0.3]))
    output = norm(block, training=True)
    output.backward(upstream)  # type: ignore[no-untyped-call]
    plain = block.detach().double().requires_grad_()
    mean, variance = plain.mean(0), plain.var(0, correction=0)
    expected = (plain - mean) / torch.sqrt(variance + 1e-5) * norm.scale + norm.shift
    expected.backward(upstream.double())  # type: ignore[no-untyped-call]
    torch.testing.assert_close(output, expected.float())
    torch.testing.assert_close(block.grad, plain.grad.float())  # type: ignore[union-attr]
    torch.testing.assert_close(norm.mean, mean.float())  # of the first batch, as it is
    torch.testing.assert_close(norm.variance, variance.float(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm(block[:1], training=True), norm(block[:1], training=False))


def test_a_split_document_is_the_sum_of_its_parts() -> None:
    counts = random_counts(200, 30, mean=2.0)
    seen, unseen = split(counts, np.random.default_rng(0))
    assert (seen + unseen != counts).nnz == 0
    assert (seen.data > 0).all()
    assert (unseen.data > 0).all()
    share = seen.sum() / counts.sum()
    assert 0.3 < share < 0.4  # the mean of 0.1 to 0.6
    both = seen.multiply(unseen).nnz
    assert 0 < both < (counts.data > 1).sum()


def test_of_a_short_document_more_is_shown_and_all_is_predicted() -> None:
    counts = csr_matrix(np.ones((2000, 8), np.float32))
    seen, predicted = split(counts, np.random.default_rng(0), 1.0)
    assert (predicted != counts).nnz == 0
    assert 0.57 < seen.sum() / counts.sum() < 0.63  # the mean of 0.3 to 0.9


def test_between_short_and_long_documents_there_is_no_leap() -> None:
    assert [share_of_short(length, 1.0) for length in (1.0, 10.0, 15.0, 20.0, 145.0)] == [1.0, 1.0, 0.5, 0.0, 0.0]
    assert [share_of_short(8.0, words) for words in (0.1, 1.0, 3.0, 5.0, 500.0)] == [1.0, 1.0, 0.5, 0.0, 0.0]
    counts = csr_matrix(np.ones((4000, 15), np.float32))
    _, predicted = split(counts, np.random.default_rng(0), 0.5)
    whole = np.diff(predicted.indptr) == 15
    assert 0.47 < whole.mean() < 0.55  # a half, and a few of which nothing happened to be shown


SETTINGS = BatchSettings(16, 1.0, 0, "log1p", predict_unseen=False, join_last=False)


@pytest.mark.parametrize("prepared", [10, 1000])
def test_an_epoch_shows_every_document_once_in_an_order_of_its_own(
    monkeypatch: pytest.MonkeyPatch, prepared: int
) -> None:
    monkeypatch.setattr("topicdock.algorithms.batches._PREPARED_DOCUMENTS", prepared)
    counts = csr_matrix(np.diag(np.arange(1, 51, dtype=np.float32)))
    orders = [torch.cat([b.lengths for b in batches_of(counts, SETTINGS, epoch)]).tolist() for epoch in (1, 1, 2)]
    assert sorted(orders[0]) == list(range(1, 51))
    assert orders[0] == orders[1] != orders[2]
    assert [len(b) for b in batches_of(counts, SETTINGS)] == [16, 16, 16, 2]
    assert [len(b) for b in batches_of(counts, replace(SETTINGS, join_last=True))] == [16, 16, 18]
    assert [len(b) for b in batches_of(counts, replace(SETTINGS, sub_sample=0.5))] == [16, 9]


def test_long_documents_are_prepared_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(200, 30)
    taken: list[int] = []

    class Counted(InMemory):
        def take(self, rows: NDArray[np.integer]) -> csr_matrix:
            taken.append(len(rows))
            return super().take(rows)

    monkeypatch.setattr("topicdock.algorithms.batches._PREPARED_COUNTS", 40 * counts.nnz // 200)
    batches = batches_of(Counted(counts), SETTINGS)
    assert taken == [32] * 6 + [8]
    assert sum(map(len, batches)) == 200
    later = batches_of(Counted(counts), SETTINGS, first=3)
    assert [b.values.tolist() for b in later] == [b.values.tolist() for b in batches[3:]]


def test_the_next_epoch_is_prepared_while_one_ends_but_none_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topicdock.algorithms.batches._PREPARED_DOCUMENTS", 32)
    counts, prepared = random_counts(50, 30), list[tuple[int, int]]()
    prepare = Epoch.prepare

    def noted(epoch: Epoch, group: int) -> list[Batch]:
        prepared.append((epoch.number, group))
        return prepare(epoch, group)

    monkeypatch.setattr(Epoch, "prepare", noted)
    source = HostBatches(as_documents(counts), SETTINGS, 3)
    found = [batch.values.tolist() for batch in source.epoch(1)]
    next(source.epoch(2))  # the first group of it; then somebody goes back
    found += [batch.values.tolist() for epoch in (2, 3) for batch in source.epoch(epoch)]
    assert sorted(prepared) == [(1, 0), (1, 1), (2, 0), (2, 0), (2, 1), (2, 1), (3, 0), (3, 1)]
    assert found == [batch.values.tolist() for epoch in (1, 2, 3) for batch in batches_of(counts, SETTINGS, epoch)]


@pytest.mark.parametrize("encoder_input", ["counts", "log1p", "frequencies"])
def test_what_is_seen_and_predicted_alike_is_sorted_once(encoder_input: EncoderInput) -> None:
    counts = random_counts(50, 30)
    settings = replace(SETTINGS, encoder_input=encoder_input)
    both = zip(batches_of(counts, settings), batches_of(counts, replace(settings, by_word=True)), strict=True)
    for apart, together in both:
        expected, found = apart.input_by_word, together.input_by_word
        assert torch.equal(found.words, expected.words)
        assert torch.equal(found.counts.to_dense(), expected.counts.to_dense())
        assert together.predicted_by_word is not None
        places = together.predicted_by_word.counts
        assert torch.equal(together.values[places.values().long()], together.predicted.t().to_sparse_csr().values())
        assert apart.predicted_by_word is None
        assert len(apart.shares) == len(apart.positions) == len(apart.values)


@pytest.mark.parametrize("variance", [1.0, 3.7])
def test_the_divergence_is_that_of_two_gaussians(variance: float) -> None:
    mu, logvar = random(5, 3, seed=0), random(5, 3, seed=1)
    posterior = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, math.sqrt(variance))).sum(1)
    torch.testing.assert_close(Prior(variance).divergence(mu, logvar), expected)


@pytest.mark.parametrize("variance", [1.0, 20.0])
def test_a_draw_and_its_divergence_have_the_gradients_of_their_formulas(variance: float) -> None:
    def plain(mu: torch.Tensor, logvar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        theta = torch.softmax(mu + torch.exp(0.5 * logvar) * noise, 1)
        return theta, Prior(variance).divergence(mu, logvar).sum()

    given, noise, upstream = random(5, 6, seed=0).double(), random(5, 3, seed=2).double(), random(5, 3, seed=3).double()
    found = []
    for draw in (plain, lambda mu, logvar: Prior(variance).draw(mu, logvar, noise)):
        block = given.clone().requires_grad_()  # whose halves, as the heads', are no blocks of their own
        theta, divergence = draw(*block.chunk(2, 1))
        ((theta * upstream).sum() + 0.7 * divergence).backward()  # type: ignore[no-untyped-call]
        found.append((theta, divergence, block.grad))
    for own, other in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(own, other)


def test_the_laplace_approximation_is_that_of_the_paper() -> None:
    alpha, topics = 0.02, 50
    assert Prior.laplace(alpha, topics).variance == pytest.approx(
        1 / alpha * (1 - 2 / topics) + 1 / topics**2 * topics / alpha
    )


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_nothing() -> None:
    assert [one_cycle_factor(done) for done in (0.05, 0.1)] == [0.5, 1.0]
    assert one_cycle_factor(0.55) == pytest.approx(0.5)
    assert one_cycle_factor(0.0) == one_cycle_factor(1.0) == 1e-3
