"""The three kinds of failure: the customer's mistake, a bug of ours, and trouble with the machine.

Whoever catches one of these knows whom it concerns. The prefix is what SageMaker's own images write in front of
a failure reason, and what users therefore search for.
"""

from __future__ import annotations

from typing import ClassVar, Self


class TopicdockError(Exception):
    """What the three kinds have in common; never raised itself."""

    prefix: ClassVar[str]


class CustomerError(TopicdockError):
    """A mistake in the data, the configuration or a request that the customer can put right.

    Parameters
    ----------
    what : str
        The mistake in a few words, as a statement: ``"a word count must be zero or more"``.
    where : str
        Channel, file, record or row, outermost first, as far as the raising code knows it. Callers that know more
        put their part in front with :meth:`inside`.
    got, allowed : str
        The offending value, and what would have been accepted.
    todo : str
        What the customer can do about it.
    """

    prefix = "ClientError"

    def __init__(self, what: str, *, where: str = "", got: str = "", allowed: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.got, self.allowed, self.todo = what, where, got, allowed, todo

    def inside(self, place: str) -> Self:
        """Return this error with `place` (a channel, a file) in front of where it happened."""
        where = f"{place}, {self.where}" if self.where else place
        return type(self)(self.what, where=where, got=self.got, allowed=self.allowed, todo=self.todo)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        for label, part in (("got", self.got), ("allowed", self.allowed), ("to do", self.todo)):
            if part:
                text += f"; {label}: {part}"
        return text + "."


class AlgorithmError(TopicdockError):
    """A bug of ours, or numbers that left their domain; the customer did nothing wrong."""

    prefix = "AlgorithmError"


class PlatformError(TopicdockError):
    """The machine failed us: a full disk, a host that died, a folder that cannot be written."""

    prefix = "PlatformError"
