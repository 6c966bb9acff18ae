"""The data files of a channel: which they are, reading them all, writing one."""

from __future__ import annotations

import gzip
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.csv_rows import encode_csv
from topicdock.corpus.json_documents import encode_json, encode_jsonlines
from topicdock.corpus.media_types import CSV, JSON, JSONLINES, RECORDIO, MediaType, find_decoder
from topicdock.corpus.pieces import read_pieces
from topicdock.corpus.records import encode_counts
from topicdock.errors import CustomerError, PlatformError

GZIP_SUFFIX = ".gz"
HIDDEN = (".", "_")
"""Names that begin so are not data: ``.amazon.manifest``, Spark's ``_SUCCESS``."""

HIDDEN_NAME = "whose name begins with a dot or an underscore"
EMPTY = "without a byte"
NO_FILE = "neither file nor folder"
LOOP = "linked to a folder around the link"

logger = logging.getLogger(__name__)


def list_data_files(folder: Path) -> list[Path]:
    """List the data files of a channel: all below `folder`, sorted by their path.

    Links to files and folders are followed. Left out are files and folders whose names begin with a dot or an
    underscore, files without a byte, whatever is neither file nor folder (opening a pipe would wait for ever), and
    links to a folder that the link is in; how many of each is logged.

    Raises
    ------
    CustomerError
        Naming a link that leads nowhere, or a folder that cannot be read, as a path within the channel.
    """
    found: list[Path] = []
    skipped: Counter[str] = Counter()
    waiting = [(folder, frozenset({_identify(_look_at(folder, folder))}))]
    while waiting:
        parent, above = waiting.pop()
        for path in _list_entries(parent, folder):
            if path.name.startswith(HIDDEN):
                skipped[HIDDEN_NAME] += 1
                continue
            status = _look_at(path, folder)
            if stat.S_ISDIR(status.st_mode):
                if _identify(status) in above:
                    skipped[LOOP] += 1
                else:
                    waiting.append((path, above | {_identify(status)}))
            elif not stat.S_ISREG(status.st_mode):
                skipped[NO_FILE] += 1
            elif not status.st_size:
                skipped[EMPTY] += 1
            else:
                found.append(path)
    if skipped:
        counts = "; ".join(f"{count} {why}" for why, count in sorted(skipped.items()))
        logger.info("Not read in %s: %s.", folder, counts)
    return sorted(found)


def _list_entries(parent: Path, folder: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return [parent / entry.name for entry in entries]
    except OSError as error:
        raise _unreadable(parent, folder, error) from error


def _look_at(path: Path, folder: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        if not path.is_symlink():
            raise _unreadable(path, folder, error) from error
        raise CustomerError(
            "the link leads nowhere",
            where=_name(path, folder),
            got=f"a link to {path.readlink()} ({error.strerror})",
            todo="put the file or folder it should lead to in its place, or remove the link",
        ) from error


def _unreadable(path: Path, folder: Path, error: OSError) -> CustomerError:
    return CustomerError(
        "it cannot be read",
        where=_name(path, folder),
        got=error.strerror or str(error),
        todo="let the user whom the job runs as read the channel's folders and files, or remove what is no data",
    )


def _name(path: Path, folder: Path) -> str:
    return str(folder) if path == folder else path.relative_to(folder).as_posix()


def _identify(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


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
        Naming the file, as a path within the channel, and the first bad record, row or line in it; and as
        :func:`list_data_files`.
    """
    return bag_of_words.stack(list(read_blocks(folder, media_type, feature_dim)), feature_dim)


def read_blocks(folder: Path, media_type: MediaType, feature_dim: int) -> Iterator[csr_matrix]:
    """Yield what :func:`read_counts` returns, some documents at a time; each file is read from its beginning on."""
    decode = find_decoder(media_type)  # before anything is read, so that the error is not about a file
    for path in list_data_files(folder):
        try:
            with open_data(path) as stream:
                yield from decode(read_pieces(stream), media_type, feature_dim)
        except CustomerError as error:
            raise error.inside(_name(path, folder)) from error
        except PermissionError as error:
            raise _unreadable(path, folder, error) from error
        except OSError as error:
            raise PlatformError(f"{path} could not be read to its end: {error.strerror or error}.") from error


def open_data(path: Path) -> BinaryIO:
    """Open a file of documents; one whose name ends with ``.gz`` is unpacked."""
    if path.suffix.lower() == GZIP_SUFFIX:
        return cast(BinaryIO, gzip.open(path))
    return path.open("rb")


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
