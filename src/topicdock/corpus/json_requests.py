"""Small JSON requests decoded together: what numpy takes for a call, it takes once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from scipy.sparse import csr_matrix

from topicdock.corpus import bag_of_words
from topicdock.corpus.json_pieces import gather_sparse
from topicdock.errors import CustomerError


def decode_json_requests(bodies: Sequence[bytes], feature_dim: int) -> tuple[csr_matrix, list[int]] | None:
    """Decode bodies ``{"instances": [...]}`` whose documents are all sparse, as ``decode_json`` does each.

    Parameters
    ----------
    bodies : sequence of bytes
    feature_dim : int
        V, the size of the vocabulary.

    Returns
    -------
    counts : csr_matrix, (D, V) float32
        The documents of all bodies, in order.
    numbers : list of int
        How many of them each body has.

    None if there is anything unusual about any of them, be it right or wrong.
    """
    documents: list[Any] = []
    numbers: list[int] = []
    may_hold_bools = False
    try:
        for body in bodies:
            instances = orjson.loads(body)["instances"]
            if type(instances) is not list:
                return None
            documents += instances
            numbers.append(len(instances))
            may_hold_bools = may_hold_bools or b"true" in body or b"false" in body
        ragged = gather_sparse(documents, feature_dim, may_hold_bools=may_hold_bools)
        if ragged is None:
            return None
        return bag_of_words.assemble(*ragged, feature_dim, str), numbers
    except (orjson.JSONDecodeError, KeyError, TypeError, CustomerError):
        return None
