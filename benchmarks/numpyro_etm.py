"""ETM with a Poisson likelihood in NumPyro, the objective of poisson-topicmodels: steps a second.

Run by an interpreter of its own, `pip install numpyro flax scipy`, since none of these is needed by topicdock:

    PYTHON benchmarks/numpyro_etm.py --data DIR --topics K --steps N [--package]

With --package it is poisson-topicmodels itself that trains (`pip install poisson-topicmodels`, which pins NumPyro 0.15
and jax 0.4), by its own `train_step` on documents that it keeps as a dense array, its first steps not counted.

Given embeddings that are kept, an encoder of two layers of 800 on shares of words, Trace_ELBO, Adam. One departure from
that package's source: its guide takes the encoder's second output for a scale as it is, which is negative half of the
time; here it is the scale's logarithm. With --likelihood FILE it tells, instead, NumPyro's log-likelihood of the counts
in an .npz file: at the theta that is there, and its mean over samples of theta from the posterior that is there.
"""

# ruff: noqa: T201 - a benchmark's result is what it prints

from __future__ import annotations

import argparse
import json
import math
import resource
import time
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.contrib.module import flax_module
from numpyro.distributions import Normal, Poisson
from numpyro.infer import SVI, Trace_ELBO
from scipy.sparse import csr_matrix, load_npz

WIDTH, SIZE, BATCH, SAMPLES, UNCOUNTED = 800, 300, 1000, 400, 3


class Encoder(nn.Module):  # type: ignore[misc]
    """Two hidden layers and two heads."""

    num_topics: int

    @nn.compact  # type: ignore[untyped-decorator]
    def __call__(self, shares: Any) -> Any:
        """Return the location and the log of the scale of the posterior."""
        hidden = nn.relu(nn.Dense(WIDTH)(nn.relu(nn.Dense(WIDTH)(shares))))
        return nn.Dense(self.num_topics)(hidden), nn.Dense(self.num_topics)(hidden)


def main() -> None:
    """Time some steps, or tell a log-likelihood, and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--likelihood", type=Path)
    parser.add_argument("--package", action="store_true")
    arguments = parser.parse_args()
    if arguments.likelihood:
        print(json.dumps(_likelihood(arguments.likelihood)))
        return
    counts = csr_matrix(load_npz(arguments.data / "train.npz"), dtype=np.float32)
    rows = np.random.default_rng(0).normal(0, 0.6, (counts.shape[1], SIZE))
    train = _train_by_package if arguments.package else _train
    rates = train(counts, rows, arguments.topics, arguments.steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**rates, "peak": peak, "added": peak}))


def _train_by_package(counts: csr_matrix, rows: Any, topics: int, steps: int) -> dict[str, float]:
    from poisson_topicmodels.models.ETM import ETM

    words = np.array([f"w{number}" for number in range(counts.shape[1])])
    model = ETM(counts, words, topics, BATCH, dict(zip(words, rows, strict=True)), SIZE)
    draw, clock = model._get_batch, []

    def timed(*given: Any) -> Any:
        clock.append((time.perf_counter(), time.process_time()))
        return draw(*given)

    model._get_batch = timed
    model.train_step(steps + UNCOUNTED, 0.005)
    clock.append((time.perf_counter(), time.process_time()))
    (started, busy), (ended, spent) = clock[UNCOUNTED + 1], clock[-1]  # the first batch is for what jax compiles
    return {"rate": steps * BATCH / (ended - started), "rate of processor": steps * BATCH / (spent - busy)}


def _train(counts: csr_matrix, rows: Any, topics: int, steps: int) -> dict[str, float]:
    documents, words = counts.shape
    rho = jnp.asarray(rows, jnp.float32)
    encoder = Encoder(topics)

    def model(batch: Any) -> None:
        alpha = numpyro.param("alpha", jax.random.normal(jax.random.PRNGKey(42), (SIZE, topics)))
        with numpyro.plate("d", documents, subsample_size=BATCH, dim=-2):
            with numpyro.plate("d_k", topics, dim=-1):
                theta = jax.nn.softmax(numpyro.sample("theta", Normal(0, 1)), axis=1)
            rates = theta @ jax.nn.softmax((rho @ alpha).T, axis=1)
            with numpyro.plate("d_v", words, dim=-1):
                numpyro.sample("counts", Poisson(rates), obs=batch)

    def guide(batch: Any) -> None:
        network = flax_module("encoder", encoder, input_shape=(1, words))
        with numpyro.plate("d", documents, subsample_size=BATCH, dim=-2), numpyro.plate("d_k", topics, dim=-1):
            location, log_scale = network(batch / batch.sum(1, keepdims=True))
            numpyro.sample("theta", Normal(location, jnp.exp(log_scale)))

    inference = SVI(model, guide, numpyro.optim.Adam(0.005), Trace_ELBO())
    order = np.random.default_rng(0).permutation(documents)

    def batch_at(step: int) -> Any:
        start = step * BATCH % (documents - BATCH)
        return jnp.asarray(counts[order[start : start + BATCH]].toarray())

    state = inference.init(jax.random.PRNGKey(0), batch_at(0))
    update = jax.jit(inference.update)
    state, _ = update(state, batch_at(0))  # compiles
    jax.block_until_ready(state)
    started, busy = time.perf_counter(), time.process_time()
    for step in range(steps):
        state, _ = update(state, batch_at(step))
    jax.block_until_ready(state)
    return {
        "rate": steps * BATCH / (time.perf_counter() - started),
        "rate of processor": steps * BATCH / (time.process_time() - busy),
    }


def _likelihood(path: Path) -> dict[str, float]:
    given = {name: jnp.asarray(array) for name, array in np.load(path).items()}

    @jax.jit  # type: ignore[untyped-decorator]
    def of(theta: Any) -> Any:
        return Poisson(theta @ given["beta"]).log_prob(given["counts"]).sum()

    posterior = Normal(given["mu"], jnp.exp(0.5 * given["logvar"]))
    keys = jax.random.split(jax.random.PRNGKey(0), SAMPLES)
    samples = np.array([of(jax.nn.softmax(posterior.sample(key), axis=1)) for key in keys], np.float64)
    return {
        "same": float(of(given["theta"])), "mean": samples.mean(), "error": samples.std(ddof=1) / math.sqrt(SAMPLES),
    }  # fmt: skip


if __name__ == "__main__":
    main()
