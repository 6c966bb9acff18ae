"""JSON and JSON Lines, in every shape that SageMaker documents: from and to bag of words.

A document is one of::

    [1.5, 16, 14]                                                             dense
    {"features": [1.5, 16, 14]}
    {"data": [1.5, 16, 14]}
    {"data": {"features": {"values": [1.5, 16, 14]}}}
    {"data": {"features": {"keys": [26, 182], "shape": [2000], "values": [1, 4]}}}        sparse

and a JSON body is one of ``{"instances": [document, ...]}``, ``[document, ...]`` and a single document.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import compress, pairwise
from typing import Any

import numpy as np
import orjson
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.json_dense import read_dense_alike
from topicdock.corpus.json_pieces import PIECE, CannotCutError, Piece, cut_instances, gather_sparse
from topicdock.corpus.json_tokens import IN_LINES, WORTH_IT, read_alike
from topicdock.corpus.pieces import LONGEST_DOCUMENT, gather, mark_last
from topicdock.errors import CustomerError

NUMBER_TYPES = frozenset((int, float, bool))
"""What a count may be; true and false are taken for 1 and 0, as Python and numpy take them."""

SHAPES = '[numbers], {"features": [numbers]} or {"data": {"features": {"values": .., "keys": .., "shape": ..}}}'

_logger = logging.getLogger(__name__)

Document = tuple[list[float], list[int]]
"""Counts and word ids; turned into arrays all documents together, as numpy is slow on short lists."""


def decode_json(body: bytes | memoryview, feature_dim: int) -> csr_matrix:
    """Decode a JSON request.

    Parameters
    ----------
    body : bytes or memoryview
    feature_dim : int
        V, the size of the vocabulary.

    Returns
    -------
    csr_matrix, (D, V) float32
        One row for each instance, in order; dense and sparse ones may be mixed.

    Raises
    ------
    CustomerError
        If the body is not JSON; otherwise naming the first bad instance, counted from 1.
    """
    text = bytes(body).removeprefix(codecs.BOM_UTF8)
    if len(text) > WORTH_IT:
        try:
            return _decode_pieces(cut_instances(text, feature_dim), feature_dim)
        except CannotCutError as error:
            _logger.debug("A JSON body is read as a whole: %r", error)
    parsed = _parse(text, "")
    if isinstance(parsed, dict) and "instances" in parsed:
        instances = parsed["instances"]
        if not isinstance(instances, list):
            raise CustomerError('"instances" must be a list of documents', got=_describe(instances), allowed=SHAPES)
    elif isinstance(parsed, list) and not (parsed and type(parsed[0]) in NUMBER_TYPES):
        instances = parsed
    else:
        instances = [parsed]
    return _decode_pieces([instances], feature_dim)


def _decode_pieces(pieces: Iterable[Piece], feature_dim: int) -> csr_matrix:
    bags: list[csr_matrix] = []
    first = 1
    for piece in pieces:
        bags.append(_decode_instances(piece, feature_dim, first))
        first += bags[-1].shape[0]
    return bag_of_words.stack(bags, feature_dim)


def _decode_instances(instances: Piece, feature_dim: int, first: int) -> csr_matrix:
    def name(index: int) -> str:
        return f"instance {first + index}"

    ragged = gather_sparse(instances, feature_dim) if isinstance(instances, list) else instances
    if ragged is not None:
        return bag_of_words.assemble(*ragged, feature_dim, name)
    return _decode_documents(instances, feature_dim, name, _decode_document)


def decode_jsonlines(body: bytes | memoryview, feature_dim: int) -> csr_matrix:
    """Decode JSON Lines, one document a line; blank lines are skipped.

    Raises
    ------
    CustomerError
        Naming the first bad line, counted from 1, blank ones included. Otherwise as :func:`decode_json`.
    """
    return bag_of_words.stack(list(decode_jsonlines_pieces([bytes(body)], feature_dim)), feature_dim)


def decode_jsonlines_pieces(pieces: Iterable[bytes], feature_dim: int) -> Iterator[csr_matrix]:
    """Decode what :func:`decode_jsonlines` does, from pieces that may be cut anywhere; yields some lines at a time."""
    rest, number = b"", 1
    for piece, more in mark_last(gather(pieces, len(codecs.BOM_UTF8))):
        rest += piece
        if number == 1:
            rest = rest.removeprefix(codecs.BOM_UTF8)
        end = rest.rfind(b"\n") + 1 if more and len(rest) < LONGEST_DOCUMENT else len(rest)
        lines, rest = rest[:end], rest[end:]
        if lines:
            yield from _decode_text(lines.split(b"\n"), number, feature_dim)
            number += lines.count(b"\n")


def _decode_text(lines: list[bytes], number: int, feature_dim: int) -> Iterator[csr_matrix]:
    some, size = [], 0
    for place, line in enumerate(lines):
        if line.strip():
            some.append(place)
            size += len(line)
        if size > PIECE:
            yield _decode_lines(lines, some, feature_dim, number)
            some, size = [], 0
    yield _decode_lines(lines, some, feature_dim, number)


def _decode_lines(lines: list[bytes], places: list[int], feature_dim: int, number: int) -> csr_matrix:
    def name(index: int) -> str:
        return f"line {number + places[index]}"

    some = b"\n".join([lines[place] for place in places])
    alike = None
    if len(some) > WORTH_IT:
        alike = read_alike(some, feature_dim, IN_LINES)
        if alike is None:
            alike = read_dense_alike(some, feature_dim, IN_LINES)
    if alike is not None:
        return bag_of_words.assemble(*alike, feature_dim, name)
    try:
        documents = [orjson.loads(lines[place]) for place in places]
    except orjson.JSONDecodeError:  # which may not be the first mistake
        return _decode_documents((lines[place] for place in places), feature_dim, name, _decode_line)
    ragged = gather_sparse(documents, feature_dim)
    if ragged is not None:
        return bag_of_words.assemble(*ragged, feature_dim, name)
    return _decode_documents(documents, feature_dim, name, _decode_document)


def _decode_documents(
    sources: Iterable[Any],
    feature_dim: int,
    name_document: Callable[[int], str],
    decode: Callable[[Any, int, str], Document],
) -> csr_matrix:
    values: list[float] = []
    ids: list[int] = []
    lengths: list[int] = []
    mistake = None
    for index, source in enumerate(sources):
        try:
            document = decode(source, feature_dim, name_document(index))
        except CustomerError as error:
            mistake = error
            break
        values += document[0]
        ids += document[1]
        lengths.append(len(document[0]))
    # An earlier document may have counts out of range: that one is to be named then, so it is assembled first.
    bag = bag_of_words.assemble(
        np.array(values, dtype=np.float64),
        np.array(ids, dtype=np.int64),
        np.array(lengths, dtype=np.int64),
        feature_dim,
        name_document,
    )
    if mistake is not None:
        raise mistake
    return bag


def _parse(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CustomerError(
            "the text is not JSON", where=where, got=str(error), todo="check that the content type is that of the data"
        ) from error


def _decode_line(line: bytes, feature_dim: int, where: str) -> Document:
    return _decode_document(_parse(line, where), feature_dim, where)


def _decode_document(document: Any, feature_dim: int, where: str) -> Document:
    content = document
    if isinstance(content, dict) and "data" in content:
        content = content["data"]
    if isinstance(content, dict) and "features" in content:
        content = content["features"]
    if isinstance(content, list):
        return _decode_dense(content, feature_dim, where)
    if not isinstance(content, dict) or "values" not in content:
        raise CustomerError("this is not a document", where=where, got=_describe(document), allowed=SHAPES)
    values, keys, shape = (_expect_list(content.get(part), part, where) for part in ("values", "keys", "shape"))
    if not keys and (values or not shape):
        if shape:
            bag_of_words.check_shape(_whole_numbers(shape, "shape", where), feature_dim, where)
        return _decode_dense(values, feature_dim, where)
    bag_of_words.check_sparse_lengths(len(values), len(keys), where)
    bag_of_words.check_shape(_whole_numbers(shape, "shape", where), feature_dim, where)
    _whole_numbers(keys, "keys", where)
    if keys and (min(keys) < 0 or max(keys) >= feature_dim):
        # Out of range stays out of range, but within numpy's integers, for `assemble` to complain about.
        keys = [min(max(key, -1), 2**62) for key in keys]
    _check_numbers(values, where)
    return values, keys


def _decode_dense(numbers: list[Any], feature_dim: int, where: str) -> Document:
    bag_of_words.check_dense_length(len(numbers), feature_dim, where)
    ids = list(compress(range(feature_dim), numbers))
    values = [numbers[word] for word in ids]
    _check_numbers(values, where)
    if numbers.count(0) + len(ids) != feature_dim:  # null, "" and [] are as false as 0 is, but no numbers
        _check_numbers(numbers, where)
    return values, ids


def _check_numbers(numbers: list[Any], where: str) -> None:
    if not NUMBER_TYPES.issuperset(map(type, numbers)):
        wrong = next(number for number in numbers if type(number) not in NUMBER_TYPES)
        raise CustomerError("a word count must be a number", where=where, got=_describe(wrong))


def _expect_list(part: Any, name: str, where: str) -> list[Any]:
    if part is None:
        return []
    if name == "shape" and type(part) is int:
        return [part]
    if not isinstance(part, list):
        raise CustomerError(f'"{name}" must be a list of numbers', where=where, got=_describe(part))
    return part


def _whole_numbers(numbers: list[Any], name: str, where: str) -> list[int]:
    if numbers and set(map(type, numbers)) != {int}:
        wrong = next(number for number in numbers if type(number) is not int)
        raise CustomerError(f'"{name}" must hold whole numbers', where=where, got=_describe(wrong))
    return numbers


def _describe(part: Any) -> str:
    """Return the beginning of `part` as JSON: enough to recognise it, not enough to flood a log."""
    try:
        text = orjson.dumps(part).decode()
    except orjson.JSONEncodeError:  # orjson reads deeper nesting than it writes
        return "lists or objects nested too deeply to be shown"
    return text if len(text) <= 60 else f"{text[:57]}..."


def encode_json(counts: csr_matrix, *, dense: bool = False) -> bytes:
    """Encode documents as ``{"instances": [...]}``, sparse or dense."""
    return orjson.dumps({"instances": _to_documents(counts, dense)})


def encode_jsonlines(counts: csr_matrix, *, dense: bool = False) -> bytes:
    """Encode documents one a line, sparse or dense; every line ends with a newline."""
    return b"".join(orjson.dumps(document) + b"\n" for document in _to_documents(counts, dense))


def _to_documents(counts: csr_matrix, dense: bool) -> list[dict[str, Any]]:
    borders = counts.indptr.tolist()
    whole = np.array_equal(counts.data, np.floor(counts.data)) and counts.data.max(initial=0) < 2**53
    data = counts.data.astype(np.int64 if whole else np.float64).tolist()
    keys = counts.indices.tolist()
    documents: list[dict[str, Any]] = []
    for start, end in pairwise(borders):
        if dense:
            row = [0] * counts.shape[1]
            for key, value in zip(keys[start:end], data[start:end], strict=True):
                row[key] = value
            documents.append({"features": row})
        else:
            features = {"keys": keys[start:end], "shape": [counts.shape[1]], "values": data[start:end]}
            documents.append({"data": {"features": features}})
    return documents
