"""A job's channels on disk: shards of shuffled documents, the vocabulary, the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from topicdock.corpus import CSV, encode_counts, encode_csv, write_vocabulary
from topicdock.errors import CustomerError
from topicdock.prepare.spool import Corpus
from topicdock.text.manifest import MANIFEST

DOCUMENTS = "documents"
"""The folder with names and beginnings of documents; no channel."""

FOLDERS = ("train", "validation", "test", "auxiliary", DOCUMENTS)
"""All that a preparation consists of."""

VOCABULARY = "vocab.txt"
_SUFFIXES = {CSV: ".csv"}
_BLOCK = 4096
"""Documents that are in memory at a time."""


@dataclass(frozen=True)
class Shares:
    """Into which parts documents are split.

    Raises
    ------
    CustomerError
        A share is negative, none is left for training, or they do not add up to 1.
    """

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if min(shares) < 0 or not self.train or abs(sum(shares) - 1) > 1e-6:
            raise CustomerError(
                "the shares of train, validation and test must add up to 1, that of train not being 0",
                got=",".join(f"{share:g}" for share in shares),
                allowed="for example 0.8,0.1,0.1 or 1,0,0",
            )

    def split(self, documents: int, seed: int) -> dict[str, NDArray[np.int64]]:
        """Return the documents of each channel, shuffled.

        The first ``int(train * documents)`` of the shuffled ones train; of the rest, validation comes before test.
        """
        order = np.random.default_rng(seed).permutation(documents)
        held_out = self.validation + self.test
        # A hair more, so that 0.8 of 10 documents, which floats make 7.999.., are 8.
        cut = documents if not held_out else max(1, int(self.train * documents + 1e-9))
        middle = cut + int((documents - cut) * (self.validation / held_out) + 1e-9) if held_out else documents
        return {"train": order[:cut], "validation": order[cut:middle], "test": order[middle:]}


def write_tree(
    folder: Path,
    corpus: Corpus,
    vocabulary: Sequence[str],
    manifest: dict[str, Any],
    shares: Shares,
    seed: int,
    parts: int,
    media_type: str,
    on_documents: Callable[[int], object],
) -> dict[str, int]:
    """Write the channels below `folder`, and return how many documents each has; `manifest` is completed with that."""
    done = 0
    documents = {}
    for channel, rows in shares.split(corpus.totals.kept, seed).items():
        if not len(rows):
            continue
        documents[channel] = len(rows)
        (folder / channel).mkdir(parents=True)
        for part, some in enumerate(np.array_split(rows, min(parts, len(rows)))):
            path = folder / channel / f"part-{part:05}{_SUFFIXES.get(media_type, '.pbr')}"
            with path.open("wb") as file:
                for start in range(0, len(some), _BLOCK):
                    block = corpus.rows(some[start : start + _BLOCK])
                    file.write(encode_csv(block) if media_type == CSV else encode_counts(block))
                    done += block.shape[0]
                    on_documents(done)
        _write_about(folder / DOCUMENTS / f"{channel}.jsonl", corpus, rows)
    auxiliary = folder / "auxiliary"
    auxiliary.mkdir()
    write_vocabulary(auxiliary / VOCABULARY, vocabulary)
    manifest["documents"] |= documents
    (auxiliary / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return documents


def _write_about(path: Path, corpus: Corpus, rows: NDArray[np.int64]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, len(rows), _BLOCK):
            file.write(corpus.about(rows[start : start + _BLOCK]))
