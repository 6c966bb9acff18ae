"""Topics as several hosts judge them."""

from __future__ import annotations

import numpy as np

from tests.hosts import Seat, on_every_host
from tests.jobs import planted_corpus
from topicdock.corpus.documents import InMemory
from topicdock.model import DirichletTopicModel, Metadata
from topicdock.training.topics import TopicReport

CORPUS = planted_corpus(200)


def judge(hosts: Seat) -> TopicReport:
    """Judge topics that are alike on all hosts but for rounding, by documents of this host's own."""
    rounding = 1e-6 * np.random.default_rng(hosts.rank).random((4, 40))
    beta = (np.kron(np.eye(4), np.ones(10)) + 0.1 + rounding).astype(np.float32)
    arrays = {"alpha": np.ones(4, np.float32), "beta": beta / beta.sum(1, keepdims=True)}
    model = DirichletTopicModel(arrays, Metadata({}, None))
    return TopicReport.of(model, InMemory(CORPUS[hosts.rank :: hosts.size]), None, hosts)


def test_hosts_whose_processors_round_differently_judge_the_leaders_topics() -> None:
    first, *others = on_every_host([judge] * 3)
    assert others == [first, first]
