"""With the authors' settings ETM takes the steps that their code takes: loss, gradients, weights."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

from benchmarks.dense_etm import DenseETM, optimizer_of
from tests.batches import batches_of
from tests.jobs import planted_corpus
from topicdock.algorithms.etm import _Trainer
from topicdock.algorithms.survey import Survey
from topicdock.algorithms.variational import UNWATCHED
from topicdock.corpus.documents import as_documents
from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.etm import ETMHyperparameters

COUNTS = planted_corpus(250)


def trainer_of(**given: Any) -> _Trainer:
    """Return a trainer with the authors' settings, but for a batch of 100 documents."""
    chosen = ETMHyperparameters.parse(
        {"num_topics": 4, "feature_dim": 40, "recipe": "authors", "batch_size": 100, **given}
    ).resolve(CorpusSize(250, COUNTS.sum()))
    return _Trainer(as_documents(COUNTS), Survey.of(COUNTS), chosen, chosen.plan(250), None)


def weights_of(theirs: DenseETM, attribute: str = "data") -> dict[str, torch.Tensor]:
    """Return the weights of the authors' network, or their gradients, by our names and in our layout."""
    first, second = cast("nn.Linear", theirs.q_theta[0]), cast("nn.Linear", theirs.q_theta[2])
    heads = (theirs.mu_q_theta, theirs.logsigma_q_theta)

    def of(*tensors: torch.Tensor) -> torch.Tensor:
        return torch.cat([getattr(tensor, attribute) for tensor in tensors])

    return {
        "encoder_0_weight": of(first.weight).T, "encoder_0_bias": of(first.bias),
        "encoder_1_weight": of(second.weight).T, "encoder_1_bias": of(second.bias),
        "heads_weight": of(*(head.weight for head in heads)).T, "heads_bias": of(*(head.bias for head in heads)),
        "topic_embeddings": of(theirs.alphas.weight), "word_embeddings": of(theirs.rho.weight),
    }  # fmt: skip


class GivenNoise:
    """What both networks draw, in place of noise of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, trainer: _Trainer) -> None:
        self.block = torch.zeros(())
        monkeypatch.setattr(torch, "randn_like", lambda _: self.block)
        monkeypatch.setattr(trainer, "_draw_noise", lambda _: self.block)


@pytest.mark.parametrize("likelihood", ["multinomial", "poisson"])
def test_the_authors_settings_take_the_steps_that_the_authors_code_takes(
    likelihood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss, every gradient and every weight, in batches of 100, 100 and 50, from the same weights and noise."""
    floor = {"probability_floor": 0.0} if likelihood == "poisson" else {}  # where the dense one has none
    trainer = trainer_of(likelihood=likelihood, **floor)
    torch.manual_seed(0)
    theirs = DenseETM(40, 4, poisson=likelihood == "poisson")
    optimizer, noise, weights = optimizer_of(theirs), GivenNoise(monkeypatch, trainer), trainer.network.weights
    with torch.no_grad():
        for name, tensor in weights_of(theirs).items():
            weights[name].copy_(tensor)
    batches = batches_of(COUNTS, trainer._batching)
    assert [len(batch) for batch in batches] == [100, 100, 50]
    gradients: dict[str, torch.Tensor] = {}

    def learn() -> None:
        gradients.update({name: tensor.grad.clone() for name, tensor in weights.items() if tensor.grad is not None})
        layer, apart = trainer.network.encoder.first.gradient, trainer.network.words_apart
        assert layer is not None
        assert apart is not None
        assert apart.gradient is not None
        gradients["encoder_0_weight"] = layer.whole().dense(40)
        gradients["word_embeddings"] = apart.gradient.whole().dense(40)
        assert gradients.keys() == weights.keys()

    monkeypatch.setattr(trainer, "add_priors", learn)
    for batch in batches:
        noise.block = torch.randn(len(batch), 4)
        optimizer.zero_grad()
        loss = theirs(batch.predicted.to_dense())
        loss.backward()
        (recon, kl, _, documents), *_ = trainer._step(batch, len(batch), 0.0, UNWATCHED)
        assert (recon + kl) / documents == pytest.approx(float(loss.detach()), rel=1e-5)
        for name, gradient in weights_of(theirs, "grad").items():
            torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=2e-5)
        optimizer.step()
        for name, weight in weights_of(theirs).items():
            # Adam makes as much of a gradient of rounding errors as of another one; those are few.
            different = (weights[name].detach() - weight).abs() > 1e-4
            assert different.float().mean() < 0.01, name
            with torch.no_grad():
                weights[name].copy_(weight)


def test_weight_decay_acts_on_biases_as_it_does_in_the_authors_code() -> None:
    trainer = trainer_of()
    theirs = DenseETM(40, 4)
    optimizer = optimizer_of(theirs)
    # Two biases that no gradient but the decay's reaches: Adam takes its whole step, whatever the size of the decay.
    ours, other = trainer.network.weights["encoder_0_bias"], cast("torch.Tensor", theirs.q_theta[0].bias)
    with torch.no_grad():
        ours.fill_(-0.2)
        other.fill_(-0.2)
    for _ in range(3):
        ours.grad, other.grad = torch.zeros_like(ours), torch.zeros_like(other)
        trainer._optimizer.step()
        optimizer.step()
    torch.testing.assert_close(ours[:1], other[:1])
    assert ours[0] > -0.2 + 2 * 0.005
