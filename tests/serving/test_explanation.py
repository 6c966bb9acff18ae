"""What verbose answers add, for many documents at once as the definition has it for one."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from scipy.sparse import csr_matrix

from tests.models import random_counts, random_model
from topicdock.serving import explanation
from topicdock.serving.explanation import DOCUMENT_WORDS, TOPICS, explain
from topicdock.serving.served_model import ServedModel


@pytest.mark.parametrize("block", [1, 200, 1 << 19])
@pytest.mark.parametrize("num_topics", [3, 8])
def test_every_document_is_described_by_the_definition(
    num_topics: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "_BLOCK", block)
    served = ServedModel(random_model(60, num_topics, vocabulary=tuple(f"word{word}" for word in range(60))))
    dense = random_counts(40, 60, mean=0.9).toarray()
    dense[[7, 39]] = 0
    counts = csr_matrix(dense)
    theta = served.model.transform(counts)
    beta = served.model.beta.astype(np.float64)
    found = list(explain(served, counts, theta, np.arange(40)))
    assert len(found) == 40
    for row, weights, description in zip(counts.toarray(), theta, found, strict=True):
        shares = weights[:, None] * beta / (weights @ beta) * row
        best = sorted(range(num_topics), key=lambda topic: -weights[topic])[:TOPICS]
        assert [one["topic"] for one in description["topics"]] == best
        for one in description["topics"]:
            assert one["weight"] == weights[one["topic"]]
            assert orjson.loads(orjson.dumps(one["words"])) == served.topic_words[one["topic"]]
            share = shares[one["topic"]]
            expected = [word for word in np.argsort(-share, kind="stable") if share[word] >= 0.5][:DOCUMENT_WORDS]
            assert one["document_words"] == [f"word{word}" for word in expected]
    assert [description["unknown_words"] for description in found] == list(range(40))
