"""Documents from files, a piece at a time, so that a file may be larger than memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scipy.sparse import csr_matrix

from topicdock.corpus import MediaType
from topicdock.corpus.files import open_data
from topicdock.corpus.media_types import find_decoder
from topicdock.corpus.pieces import read_pieces
from topicdock.errors import CustomerError
from topicdock.prepare import Sources
from topicdock.text import Tokenizer, count_texts


@dataclass(frozen=True)
class Piece:
    """Some documents: their counts, shape (D, V), their names if they have any, and how many bytes they took."""

    counts: csr_matrix
    names: list[str] | None
    size: int


def read_counts_in_pieces(path: Path, media_type: MediaType, feature_dim: int) -> Iterator[Piece]:
    """Read the documents of a file; one whose name ends with ``.gz`` is unpacked.

    JSON is read in one piece, as its brackets close at the end; the three other formats by and by.

    Raises
    ------
    CustomerError
        Naming the file and the first bad record, row or line in it.
    """
    sizes: list[int] = []

    def measured(pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            sizes.append(len(piece))
            yield piece

    try:
        with open_data(path) as stream:
            for counts in find_decoder(media_type)(measured(read_pieces(stream)), media_type, feature_dim):
                yield Piece(counts, None, sum(sizes))
                sizes.clear()
    except CustomerError as error:
        raise error.inside(str(path)) from error
    except OSError as error:
        raise CustomerError("the file cannot be read to its end", where=str(path), got=str(error)) from error


def read_texts_in_pieces(
    sources: Sources, files: list[Path], vocabulary: tuple[str, ...], tokenizer: Tokenizer, notes: Counter[str]
) -> Iterator[Piece]:
    """Read texts and count their words; `notes` counts files that are not as they should be."""
    for batch in sources.batches(files):
        documents = list(batch.read(sources.reading, notes))
        counts, _ = count_texts((text for _, text in documents), vocabulary, tokenizer)
        yield Piece(counts, [name for name, _ in documents], batch.size)
