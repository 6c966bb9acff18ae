"""Numbers in environment variables of a training job."""

from __future__ import annotations

from collections.abc import Mapping

from topicdock.errors import CustomerError


def read_number(environment: Mapping[str, str], variable: str, default: int, largest: int) -> int:
    """Return the whole number, from 1 to `largest`, in an environment variable; `default` where it is not set.

    Raises
    ------
    CustomerError
        It has another value.
    """
    given = environment.get(variable, "") or str(default)
    if not given.isdecimal() or not 1 <= int(given) <= largest:
        raise CustomerError(
            "the environment variable has no such value",
            where=f"environment variable {variable}",
            got=repr(given),
            allowed=f"a whole number from 1 to {largest}",
        )
    return int(given)
