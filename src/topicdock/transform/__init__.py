"""Topic proportions of big files without a server: a piece at a time in, a piece at a time out."""

from topicdock.transform.answers import ANSWERS
from topicdock.transform.pieces import read_counts_in_pieces, read_texts_in_pieces
from topicdock.transform.transformation import transform_pieces

__all__ = ["ANSWERS", "read_counts_in_pieces", "read_texts_in_pieces", "transform_pieces"]
