"""The data files of a channel: which they are, reading them all, writing one."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.csv_rows import encode_csv
from topicdock.corpus.json_documents import encode_json, encode_jsonlines
from topicdock.corpus.media_types import CSV, JSON, JSONLINES, RECORDIO, MediaType, find_decoder
from topicdock.corpus.records import encode_counts
from topicdock.errors import CustomerError

GZIP_SUFFIX = ".gz"
HIDDEN = (".", "_")
"""Names that begin so are not data: ``.amazon.manifest``, Spark's ``_SUCCESS``."""


def list_data_files(folder: Path) -> list[Path]:
    """List the data files of a channel: all below `folder`, sorted by their path.

    Left out are files and folders whose names begin with a dot or an underscore, files without a byte, and whatever
    is not a regular file (opening a pipe would wait for ever).
    """
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        found += [Path(parent, name) for name in names if not name.startswith(HIDDEN)]
    return sorted(path for path in found if path.is_file() and path.stat().st_size)


def read_counts(folder: Path, media_type: MediaType, feature_dim: int) -> csr_matrix:
    """Read all data files of a channel.

    Parameters
    ----------
    folder : Path
        The channel's folder.
    media_type : MediaType
        What all of its files are; files whose names end with ``.gz`` are unpacked first.
    feature_dim : int
        V, the size of the vocabulary.

    Returns
    -------
    csr_matrix, (D, V) float32
        The documents of all files in the order of :func:`list_data_files`; D = 0 if there are no files.

    Raises
    ------
    CustomerError
        Naming the file, as a path within the channel, and the first bad record, row or line in it.
    """
    decode = find_decoder(media_type)  # before anything is read, so that the error is not about a file
    blocks = []
    for path in list_data_files(folder):
        try:
            blocks.append(decode(_read_bytes(path), media_type, feature_dim))
        except CustomerError as error:
            raise error.inside(path.relative_to(folder).as_posix()) from error
    return bag_of_words.stack(blocks, feature_dim)


def _read_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix.lower() != GZIP_SUFFIX:
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, OSError) as error:
        raise CustomerError(
            "the file cannot be unpacked", got=str(error), allowed="a whole gzip file", todo="write the file again"
        ) from error


def write_counts(path: Path, counts: csr_matrix, media_type: MediaType, *, dense: bool = False) -> None:
    """Write documents to a file; packed with gzip if its name ends with ``.gz``.

    Parameters
    ----------
    path : Path
    counts : csr_matrix, (D, V)
    media_type : MediaType
        One of the four formats.
    dense : bool
        Write the zeros too; CSV always does.
    """
    if media_type.name == RECORDIO:
        data = encode_counts(counts, dense=dense)
    elif media_type.name == CSV:
        data = encode_csv(counts)
    elif media_type.name == JSON:
        data = encode_json(counts, dense=dense)
    elif media_type.name == JSONLINES:
        data = encode_jsonlines(counts, dense=dense)
    else:
        raise ValueError(f"no writer for {media_type.name!r}")
    # mtime=0: the same documents give the same bytes.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix.lower() == GZIP_SUFFIX else data)
