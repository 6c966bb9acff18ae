"""From documents to topic proportions, piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from topicdock.model import TopicModel
from topicdock.transform.answers import ANSWERS
from topicdock.transform.pieces import Piece

_BLOCK = 4096
"""Documents that the model sees at a time: an answer for one does not depend on the others."""


def transform_pieces(model: TopicModel, pieces: Iterable[Piece], media_type: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield the answer to each part of each piece, how many documents it answers, and how many bytes they took."""
    encode = ANSWERS[media_type]
    for piece in pieces:
        size = piece.size
        for start in range(0, piece.counts.shape[0], _BLOCK):
            theta = model.transform(piece.counts[start : start + _BLOCK])
            names = None if piece.names is None else piece.names[start : start + _BLOCK]
            yield encode(model.response_key, theta, names), theta.shape[0], size
            size = 0
