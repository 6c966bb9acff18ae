"""The columns of a CSV body: how many there are, which are labels, and what to say of a row that has others."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from topicdock.errors import CustomerError

NO_BLANK = re.compile(rb"\S")

SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What spreadsheets write instead of commas."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Columns:
    """What every row of a body consists of.

    Attributes
    ----------
    feature_dim : int
        V, how many columns are word counts.
    labels : int
        How many columns in front of those are left out.
    announced : bool
        Whether `labels` is what the content type says, and not what the first row looks like.
    joined : bool
        Whether a line may be several rows, of objects end to end that lack their last line end.
    """

    feature_dim: int
    labels: int
    announced: bool
    joined: bool = False

    @property
    def total(self) -> int:
        """How many columns a row has."""
        return self.labels + self.feature_dim

    def check(self, fields: Sequence[str], number: int) -> None:
        """Raise unless row `number`, counted from 1, has as many fields as it must have."""
        if len(fields) == self.total:
            return
        allowed = f"{self.total} columns, as "
        if self.announced or number == 1:
            allowed += f"feature_dim = {self.feature_dim}"
            if self.labels:
                allowed += f" and label_size = {self.labels}"
            if not self.announced:
                allowed += f", or {self.feature_dim + 1} with a label in front"
        else:
            allowed += f"in row 1; feature_dim = {self.feature_dim}"
        raise CustomerError(
            "a row has the wrong number of columns",
            where=f"row {number}",
            got=str(len(fields)),
            allowed=allowed,
            todo=self._advise(fields, number),
        )

    def _advise(self, fields: Sequence[str], number: int) -> str:
        advice = advise_commas(fields)
        if advice:
            return advice
        if number > 1:
            return "write the data again so that every row has the same number of columns"
        words = len(fields) - self.labels
        advice = f"give {self.feature_dim} word counts to every row"
        if words > 0:
            advice += f", or train with feature_dim set to {words} if the vocabulary has so many words"
        surplus = len(fields) - self.feature_dim
        if surplus >= 0:
            labels = {0: "no column is a label", 1: "the first column is a label"}
            advice += f", or say text/csv;label_size={surplus} if "
            advice += labels.get(surplus, f"the first {surplus} columns are labels")
        return advice


def advise_commas(fields: Sequence[str]) -> str:
    """Return what to do if `fields` look as if their row were separated by something else; else nothing."""
    stripped = [field.strip() for field in fields]
    for separator, name in SEPARATORS.items():
        if any(separator in field for field in stripped):
            return f"separate the columns by commas, not by {name}"
    return "separate the columns by commas, not by blanks" if len(fields) == 1 and " " in stripped[0] else ""


def find_columns(body: bytes, feature_dim: int, label_size: int | None, *, joined: bool = False) -> Columns:
    """Return what the rows of `body` consist of; where `label_size` does not say it, the first row does.

    Warns, once for each `feature_dim`, if the first column is taken for a label because there is one too many.
    """
    if label_size is not None:
        return Columns(feature_dim, label_size, announced=True, joined=joined)
    labels = int(_count_columns(body) == feature_dim + 1)
    if labels:
        _warn_of_label(feature_dim)
    return Columns(feature_dim, labels, announced=False, joined=joined)


def _count_columns(body: bytes) -> int:
    """Return how many columns the first row has, 0 if there is no row."""
    start = NO_BLANK.search(body)
    if start is None:
        return 0
    end = body.find(b"\n", start.start())
    line, *_ = body[start.start() : end if end >= 0 else None].split(b"\r", 1)
    commas = line.count(b",")
    if commas and b'"' not in line:
        return commas + 1
    # Quotes may hold commas and line ends, and a line without a comma may be a blank one to the csv module.
    text = io.StringIO(body.decode("utf-8", "replace"), newline="")
    try:
        return len(next(split_rows(text), []))
    except csv.Error:  # to be complained about where the row is read
        return 0


def split_rows(text: io.StringIO) -> Iterator[list[str]]:
    """Yield the fields of each row that is not blank; raises csv.Error."""
    for fields in csv.reader(text, skipinitialspace=True, strict=True):
        if len(fields) > 1 or (fields and fields[0].strip()):
            yield fields


@cache
def _warn_of_label(feature_dim: int) -> None:
    # Cached: once for a corpus, however many files it has, and not for each request.
    logger.warning(
        "CSV rows have %d columns while feature_dim is %d: the first column is taken for a label and left out. "
        "Say text/csv;label_size=1 if that is right, or set feature_dim to %d if it is not.",
        feature_dim + 1,
        feature_dim,
        feature_dim + 1,
    )
