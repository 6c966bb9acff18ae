"""Real text, its topics, and what a few documents are about."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from demo import show
from demo.docstrings import Docstring, gather, list_sources
from demo.job import lay_out
from demo.screen import counting, say, say_step
from demo.steps import post, run_service, run_training
from demo.words import Vocabulary, tokenize
from topicdock.artifact import load_model
from topicdock.contract.layout import Layout
from topicdock.corpus.csv_rows import encode_csv
from topicdock.corpus.json_documents import encode_json

_LEAST_DOCUMENTS = 30
_LARGEST_SHARE = 0.12
_VOCABULARY_SIZE = 5000
_VALIDATION_SHARE = 0.05
_PACKAGES_SHOWN = ("scipy", "networkx", "sklearn", "torch", "sympy", "email", "asyncio")
_LENGTHS_SHOWN = (40, 250)
_HEADLINES_SHOWN = (25, 90)


def tour_docstrings(base: Path, num_topics: int, limit: int | None) -> Layout:
    """Find the topics of the docstrings of the installed packages.

    Parameters
    ----------
    base : Path
        An empty folder, which takes the place of /opt/ml.
    num_topics : int
    limit : int, optional
        Read this many source files at most.
    """
    say_step("Real text: the docstrings of the Python packages installed here")
    documents, tokens = _read(limit)
    vocabulary = Vocabulary.learn(tokens, least=_LEAST_DOCUMENTS, largest_share=_LARGEST_SHARE, size=_VOCABULARY_SIZE)
    counts = vocabulary.count(tokens)
    order = np.random.default_rng(0).permutation(counts.shape[0])
    cut = max(1, int(_VALIDATION_SHARE * len(order)))
    held_out, kept = np.sort(order[:cut]), np.sort(order[cut:])
    layout = lay_out(base, counts[kept], counts[held_out], vocabulary.words, num_topics=num_topics)
    say(f"   vocabulary            {len(vocabulary.words):,} words, in {_LEAST_DOCUMENTS} documents or more")
    say(f"   counts                {counts.sum():,.0f} words, written as RecordIO-protobuf")
    say(f"   train, validation     {len(kept):,} and {len(held_out):,} documents")
    run_training(layout)
    rows = held_out[choose_documents([documents[row] for row in held_out], counts[held_out])]
    half = (len(rows) + 1) // 2
    with run_service(layout) as endpoint:
        answers = [
            post(endpoint, encode_json(counts[rows[:half]]), "application/json"),
            post(endpoint, encode_csv(counts[rows[half:]]), "text/csv"),
        ]
    model = load_model(layout.model)
    say_step(f"The {model.num_topics} topics, the most common first")
    say(show.list_topics(model, counts[kept], model.transform(counts[held_out])))
    say()
    say("   share   of the validation documents")
    say("   npmi    do these words occur in the same documents? from -1 to 1; 0 is chance, 0.2 reads well")
    say("   unique  1: no other topic has these words")
    say_step("What the posted documents are about, by the topics that came back")
    for number, (row, theta) in enumerate(zip(rows, np.concatenate([a.theta for a in answers]), strict=True)):
        if number:
            say()
        say(show.describe_document(model, documents[row].name, documents[row].headline, theta))
    return layout


def choose_documents(documents: Sequence[Docstring], counts: csr_matrix) -> list[int]:
    """Choose documents to show, one public one of each package, not short, not long, with a telling headline."""
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    chosen = []
    for package in _PACKAGES_SHOWN:
        suitable = [
            row
            for row, document in enumerate(documents)
            if document.package == package
            and "._" not in document.name
            and _LENGTHS_SHOWN[0] <= lengths[row] <= _LENGTHS_SHOWN[1]
            and _HEADLINES_SHOWN[0] <= len(document.headline) <= _HEADLINES_SHOWN[1]
        ]
        chosen += suitable[:1]
    return chosen if len(chosen) > 1 else list(range(min(4, len(documents))))


def _read(limit: int | None) -> tuple[list[Docstring], list[list[str]]]:
    began = time.monotonic()
    sources = list_sources()
    if limit is not None:
        sources = sources[:: max(1, len(sources) // limit)][:limit]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        with counting(len(sources), " files") as on_file:
            documents = gather(sources, apply=partial(pool.map, chunksize=16), on_file=on_file)
        tokens = list(pool.map(tokenize, [document.text for document in documents], chunksize=256))
    say(f"   documents             {len(documents):,} from {len(sources):,} files in {time.monotonic() - began:.0f} s")
    return documents, tokens
