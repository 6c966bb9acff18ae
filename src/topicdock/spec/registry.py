"""The algorithms of this image. A new one is its declarations, its module, and one word here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from topicdock.errors import CustomerError
from topicdock.spec.algorithm import Specification
from topicdock.spec.etm import ETM
from topicdock.spec.lda import LDA
from topicdock.spec.ntm import NTM
from topicdock.spec.values import unwrap

ALGORITHMS: Mapping[str, Specification] = {specification.name: specification for specification in (NTM, LDA, ETM)}
DEFAULT_ALGORITHM = NTM.name


def choose_algorithm(hyperparameters: Mapping[str, Any], preferred: str = "") -> Specification:
    """Return the algorithm that the hyperparameter ``algorithm`` asks for, else `preferred`, else the default.

    Raises
    ------
    CustomerError
        There is no such algorithm.
    """
    name = str(unwrap(hyperparameters.get("algorithm", "")) or preferred or DEFAULT_ALGORITHM).lower()
    if name not in ALGORITHMS:
        raise CustomerError(
            "there is no such algorithm",
            where="hyperparameter algorithm",
            got=repr(name),
            allowed=", ".join(ALGORITHMS),
        )
    return ALGORITHMS[name]
