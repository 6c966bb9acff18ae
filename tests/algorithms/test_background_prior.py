"""What holds a decoder's bias to the frequencies of words: its gradient by autograd, and what it is for."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix

from tests.jobs import planted_corpus
from topicdock.algorithms.background_prior import hold_background
from topicdock.algorithms.ntm import fit
from topicdock.evaluation import perplexity
from topicdock.spec.ntm import NTMHyperparameters


def test_the_gradient_is_that_of_ten_words_drawn_for_each_of_the_vocabulary() -> None:
    generator = torch.Generator().manual_seed(0)
    bias = torch.randn(30, generator=generator).requires_grad_()
    frequencies = torch.softmax(torch.randn(30, generator=generator), 0)
    (-300 * (frequencies * torch.log_softmax(bias, 0)).sum() / 20).backward()  # type: ignore[no-untyped-call]
    gradient = torch.zeros(30)
    hold_background(bias.detach(), gradient, frequencies, 20)
    torch.testing.assert_close(gradient, bias.grad)


def test_a_hundred_documents_are_not_learned_by_heart() -> None:
    """Others are predicted better than by the frequencies of words, and than by nothing."""
    corpus = planted_corpus(600, vocabulary_size=500, num_topics=5)
    known, others = corpus[:100], corpus[100:]
    seen = others.copy()
    seen.data = np.random.default_rng(0).binomial(others.data.astype(int), 0.5).astype(np.float32)
    model = fit(known, NTMHyperparameters.parse({"num_topics": "5", "feature_dim": "500"})).model
    found = perplexity(model.word_log_probabilities, model.transform(seen), csr_matrix(others - seen))
    frequencies = np.log(known.sum(0).A1 + 1)
    frequencies -= np.log(np.exp(frequencies).sum())
    assert found < np.exp(-((others - seen) @ frequencies).sum() / (others - seen).sum())
    assert found < 500
