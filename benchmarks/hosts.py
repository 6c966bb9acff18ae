"""What a step of NTM costs on several hosts: time and bytes, beside a model of the network.

    scripts/benchmark hosts                          2 hosts, V = 100,000, K = 100, at 1 and 10 Gbit/s and unlimited
    scripts/benchmark hosts --hosts 4 --rates 1      more hosts, another rate

Each host is a process in a network namespace of its own, joined by a bridge, its sending limited by a token bucket
(root, iproute2). The processes share this machine's cores, so that computing does not get faster with their number; the
bytes, and the time that a slow network adds, are those of machines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

ROOT = Path(__file__).resolve().parents[1]
_PREFIX, _NETWORK, _PORT = "topicdock", "10.201.0", 9000
_STEPS = 12


def draw(documents: int, vocabulary: int, seed: int, length: int = 60) -> csr_matrix:
    """Return documents of words that are as unequally common as those of a language."""
    generator = np.random.default_rng(seed)
    words = np.minimum(vocabulary ** generator.random(documents * length), vocabulary - 1).astype(np.int64)
    counts = csr_matrix(
        (np.ones(len(words), np.float32), words, np.arange(0, len(words) + 1, length)), (documents, vocabulary)
    )
    counts.sum_duplicates()
    return counts


def work(rank: int, options: argparse.Namespace) -> dict[str, float]:
    """Take steps as one of the hosts; return milliseconds and megabytes sent, of a step, and the words of a batch."""
    import torch

    from topicdock.algorithms.connection import ConnectedHosts
    from topicdock.algorithms.hosts import ALONE, Hosts
    from topicdock.algorithms.ntm import _Trainer
    from topicdock.algorithms.survey import Survey
    from topicdock.corpus.documents import InMemory
    from topicdock.spec.corpus_size import CorpusSize
    from topicdock.spec.ntm import NTMHyperparameters

    torch.set_num_threads(1)
    hosts: Hosts = ALONE
    if options.hosts > 1:
        names = [f"{_NETWORK}.{number + 1}" for number in range(options.hosts)]
        hosts = ConnectedHosts(names, names[rank], "eth", _PORT, 60, lambda error: os._exit(str(error) != ""))
    counts = draw(options.batch * _STEPS, options.vocabulary, rank)
    given = {
        "num_topics": options.topics, "feature_dim": options.vocabulary, "mini_batch_size": options.batch, "epochs": 3,
    }  # fmt: skip
    size = CorpusSize(counts.shape[0] * hosts.size, float(counts.sum()) * hosts.size)
    settings = NTMHyperparameters.parse(given).resolve(size, hosts.size)
    trainer = _Trainer(
        InMemory(counts), Survey.of(InMemory(counts), hosts), settings, settings.plan(counts.shape[0]), hosts
    )
    trainer.train_epoch()
    sent, began = _count_sent(), time.perf_counter()
    trainer.train_epoch()
    seconds, sent = time.perf_counter() - began, _count_sent() - sent
    hosts.leave()
    return {"ms": 1e3 * seconds / _STEPS, "mb": sent / 1e6 / _STEPS}


def _count_sent() -> int:
    path = Path("/sys/class/net/eth/statistics/tx_bytes")
    return int(path.read_text()) if path.exists() else 0


def messages(options: argparse.Namespace) -> dict[str, float]:
    """Return the megabytes of what the hosts add up in a step, by what it is."""
    batches = [draw(options.batch, options.vocabulary, 1000 + rank) for rank in range(options.hosts)]
    words = len(np.unique(np.concatenate([batch.indices for batch in batches])))
    width = max(200, 2 * options.topics)
    return {
        "decoder": 4e-6 * (options.topics + 1) * options.vocabulary,
        "rows of the first layer": 4e-6 * words * width,
        "which rows": 1e-6 * options.vocabulary,
        "the rest": 4e-6 * width * 2 * options.topics,
    }


def predict(megabytes: float, hosts: int, rate: float) -> float:
    """Return the milliseconds in which each host sends its part of a sum, at so many Gbit/s.

    Each of n hosts sends 2 (n - 1) / n of what is added up: a share of it to be added, and then the sums to be told.
    """
    return 8 * megabytes * 2 * (hosts - 1) / hosts / rate


@contextmanager
def network(hosts: int, rate: float | None) -> Iterator[list[str]]:
    """Give the names of so many joined namespaces, each sending at most `rate` Gbit/s; remove them in the end."""
    names = [f"{_PREFIX}{number}" for number in range(hosts)]
    bridge = f"{_PREFIX}-bridge"
    try:
        _run(f"ip netns add {bridge}", f"ip -n {bridge} link add hub type bridge", f"ip -n {bridge} link set hub up")
        for number, name in enumerate(names):
            _run(
                f"ip netns add {name}",
                f"ip -n {name} link add eth type veth peer name port{number} netns {bridge}",
                f"ip -n {bridge} link set port{number} master hub up",
                f"ip -n {name} addr add {_NETWORK}.{number + 1}/24 dev eth",
                f"ip -n {name} link set eth up",
                f"ip -n {name} link set lo up",
            )
            if rate is not None:
                _run(f"ip netns exec {name} tc qdisc add dev eth root tbf rate {rate}gbit burst 2mb latency 100ms")
        yield names
    finally:
        for name in (*names, bridge):
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def _run(*commands: str) -> None:
    for command in commands:
        subprocess.run(command.split(), check=True)


def measure(options: argparse.Namespace, rate: float | None) -> dict[str, float]:
    """Return the figures of the slowest host."""
    with network(options.hosts, rate) as names:
        processes = [
            subprocess.Popen(
                [*_inside(name), sys.executable, "-m", "benchmarks.hosts", *_spell(options), "--rank", str(rank)],
                cwd=ROOT, stdout=subprocess.PIPE, text=True,
            )
            for rank, name in enumerate(names)
        ]  # fmt: skip
        found: list[dict[str, Any]] = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    return max(found, key=lambda figures: figures["ms"])


def _inside(name: str) -> Sequence[str]:
    return ["ip", "netns", "exec", name]


def _spell(options: argparse.Namespace) -> list[str]:
    names = ("hosts", "vocabulary", "topics", "batch")
    return [part for name in names for part in (f"--{name}", str(getattr(options, name)))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=100_000)
    parser.add_argument("--topics", type=int, default=100)
    parser.add_argument("--batch", type=int, default=256, help="of each host")
    parser.add_argument("--rates", type=float, nargs="*", default=[1, 10], help="Gbit/s; unlimited is always measured")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    write = sys.stdout.write
    if options.rank is not None:
        write(json.dumps(work(options.rank, options)) + "\n")
        return
    sizes = messages(options)
    total = sum(sizes.values())
    write(f"{options.hosts} hosts, V = {options.vocabulary:,}, K = {options.topics}, batches of {options.batch}: ")
    write(", ".join(f"{name} {size:.1f} MB" for name, size in sizes.items()) + f"; {total:.1f} MB in all\n\n")
    write("| Gbit/s | sent a step, MB | model | ms a step | the network's, by the model |\n| - | - | - | - | - |\n")
    for rate in (None, *options.rates):
        found = measure(options, rate)
        sent = total * 2 * (options.hosts - 1) / options.hosts
        name, expected = (
            ("unlimited", "") if rate is None else (f"{rate:g}", f"{predict(total, options.hosts, rate):.0f}")
        )
        write(f"| {name} | {found['mb']:.1f} | {sent:.1f} | {found['ms']:.0f} | {expected} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
