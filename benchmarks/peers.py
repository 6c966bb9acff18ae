"""The libraries of the comparison, each behind the same few functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[Any]


@dataclass(frozen=True)
class Fitted:
    """A fitted model: what ranks words, shape (K, V); theta of documents; log p(word | theta); documents trained on.

    `beta`, shape (K, V), is there where p(word | theta) is theta times beta.
    """

    scores: Floats
    transform: Callable[[csr_matrix], Floats]
    word_log_probabilities: Callable[[Floats], Floats]
    documents: int
    beta: Floats | None = None


@dataclass(frozen=True)
class Library:
    """How one library is imported and fitted."""

    modules: Sequence[str]
    fit: Callable[[csr_matrix, int, int], Fitted]

    def prepare(self) -> None:
        """Import what it needs."""
        for module in self.modules:
            importlib.import_module(module)


def _mixture(beta: Floats, transform: Callable[[csr_matrix], Floats], documents: int) -> Fitted:
    """Return a model in which p(word | theta) is theta times beta, shape (K, V)."""
    return Fitted(beta, transform, lambda theta: np.log(np.maximum(theta @ beta, 1e-30)), documents, beta)


def _tokens(counts: csr_matrix) -> list[list[str]]:
    return [[str(w) for w, n in zip(row.indices, row.data, strict=True) for _ in range(int(n))] for row in counts]


def _topicdock(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    from topicdock.algorithms.ntm import fit
    from topicdock.algorithms.threads import use_available_cores
    from topicdock.spec.ntm import NTMHyperparameters

    use_available_cores()
    given = {"num_topics": topics, "feature_dim": counts.shape[1], "seed": seed}
    hyperparameters = NTMHyperparameters.parse(given)
    fitted = fit(counts, hyperparameters)
    model = fitted.model
    return Fitted(model.topic_scores, model.transform, model.word_log_probabilities, counts.shape[0] * fitted.epochs)


def _topicdock_lda(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    from topicdock.algorithms.lda import fit
    from topicdock.algorithms.threads import use_available_cores
    from topicdock.spec.lda import LDAHyperparameters

    use_available_cores()
    given = {"num_topics": topics, "feature_dim": counts.shape[1], "seed": seed}
    model = fit(counts, LDAHyperparameters.parse(given)).model
    return _mixture(model.beta, model.transform, counts.shape[0])


def _dense(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    import torch

    from benchmarks.dense_ntm import DenseNTM, train_steps
    from topicdock.algorithms.prior import Prior

    torch.manual_seed(seed)
    model = DenseNTM(counts.shape[1], topics, max(200, 2 * topics), Prior.laplace(0.02, topics).variance)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    documents = train_steps(counts, model, optimizer, 256, 50 * (counts.shape[0] // 256))
    model.eval()

    def transform(part: csr_matrix) -> Floats:
        with torch.no_grad():
            hidden = torch.relu(model.hidden(torch.log1p(torch.from_numpy(part.toarray()))))
            return torch.softmax(model.norms[0](model.mean(hidden)), 1).numpy()

    def log_probabilities(theta: Floats) -> Floats:
        with torch.no_grad():
            return torch.log_softmax(model.decoder(torch.from_numpy(theta)), 1).numpy()

    return Fitted(model.decoder.weight.detach().numpy().T, transform, log_probabilities, documents)


def _etm(recipe: str) -> Callable[[csr_matrix, int, int], Fitted]:
    def run(counts: csr_matrix, topics: int, seed: int) -> Fitted:
        from topicdock.algorithms.etm import fit
        from topicdock.algorithms.threads import use_available_cores
        from topicdock.spec.etm import ETMHyperparameters

        use_available_cores()
        given = {"num_topics": topics, "feature_dim": counts.shape[1], "seed": seed, "recipe": recipe}
        fitted = fit(counts, ETMHyperparameters.parse(given))
        return _mixture(fitted.model.beta, fitted.model.transform, counts.shape[0] * fitted.epochs)

    return run


def _dense_etm(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    import torch

    from benchmarks.dense_etm import EPOCHS, DenseETM, optimizer_of, train_epoch

    torch.manual_seed(seed)
    model = DenseETM(counts.shape[1], topics)
    optimizer = optimizer_of(model)
    documents = sum(train_epoch(counts, model, optimizer) for _ in range(EPOCHS))
    model.eval()

    def transform(part: csr_matrix) -> Floats:
        with torch.no_grad():
            return model.theta(torch.from_numpy(part.toarray()))[0].numpy()

    return _mixture(model.beta().detach().numpy(), transform, documents)


def _authors_etm(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    import torch

    from benchmarks.authors_etm import BATCH, EPOCHS, create, lay_out, learn

    torch.manual_seed(seed)
    model = create(counts.shape[1], topics)
    steps = EPOCHS * -(-counts.shape[0] // BATCH)
    documents = sum(islice(learn(*lay_out(counts), model), steps))
    model.eval()

    def transform(part: csr_matrix) -> Floats:
        with torch.no_grad():
            dense = torch.from_numpy(part.toarray())
            return np.asarray(model.get_theta(dense / dense.sum(1, keepdim=True))[0].numpy())

    return _mixture(model.get_beta().detach().numpy(), transform, documents)


def _sklearn(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(topics, random_state=seed, n_jobs=2, learning_method="batch").fit(counts)
    beta = model.components_ / model.components_.sum(1, keepdims=True)
    return _mixture(beta, model.transform, counts.shape[0] * model.n_iter_)


def _gensim(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaMulticore

    model = LdaMulticore(Sparse2Corpus(counts.T), topics, workers=2, passes=10, random_state=seed)

    def transform(part: csr_matrix) -> Floats:
        gamma, _ = model.inference(list(Sparse2Corpus(part.T)))
        return np.asarray(gamma / gamma.sum(1, keepdims=True))

    return _mixture(model.get_topics(), transform, counts.shape[0] * 10)


def _tomotopy(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    import tomotopy

    model = tomotopy.LDAModel(k=topics, seed=seed + 1)
    for tokens in _tokens(counts):
        model.add_doc(tokens)
    iterations = 1000
    model.train(iterations, workers=2)
    words = np.array([int(word) for word in model.used_vocabs])
    beta = np.full((topics, counts.shape[1]), 1e-12)
    for topic in range(topics):
        beta[topic, words] = model.get_topic_word_dist(topic)

    def transform(part: csr_matrix) -> Floats:
        documents = [model.make_doc(tokens) for tokens in _tokens(part)]
        theta, _ = model.infer(documents, workers=2)
        return np.array(theta)

    return _mixture(beta, transform, counts.shape[0] * iterations)


def _topica(counts: csr_matrix, topics: int, seed: int) -> Fitted:
    import topica

    model = topica.LDA(num_topics=topics, seed=seed)
    model.fit(_tokens(counts), iters=1000, progress=False, num_threads=2)
    words = np.array([int(word) for word in model.vocabulary])
    beta = np.full((topics, counts.shape[1]), 1e-12)
    beta[:, words] = np.asarray(model.topic_word)
    return _mixture(beta, lambda part: np.asarray(model.transform(_tokens(part), seed=seed)), counts.shape[0] * 1000)


LIBRARIES = {
    "topicdock": Library(("topicdock.algorithms.ntm",), _topicdock),
    "topicdock LDA": Library(("topicdock.algorithms.lda",), _topicdock_lda),
    "dense PyTorch NTM": Library(("torch", "benchmarks.dense_ntm"), _dense),
    "topicdock ETM": Library(("topicdock.algorithms.etm",), _etm("topicdock")),
    "topicdock ETM by the authors' settings": Library(("topicdock.algorithms.etm",), _etm("authors")),
    "dense PyTorch ETM": Library(("torch", "benchmarks.dense_etm"), _dense_etm),
    "the authors' ETM": Library(("torch", "etm"), _authors_etm),  # PYTHONPATH=CHECKOUT, see benchmarks/authors_etm.py
    "scikit-learn LDA": Library(("sklearn.decomposition",), _sklearn),
    "gensim LDA": Library(("gensim.models",), _gensim),
    "tomotopy LDA": Library(("tomotopy",), _tomotopy),
    "topica LDA": Library(("topica",), _topica),
}
