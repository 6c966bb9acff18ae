"""Media types, and the table from a media type to its decoder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from scipy.sparse import csr_matrix

from topicdock.corpus.bag_of_words import stack
from topicdock.corpus.csv_rows import decode_csv_pieces
from topicdock.corpus.json_documents import decode_json, decode_jsonlines_pieces
from topicdock.corpus.records import decode_record_pieces
from topicdock.errors import CustomerError

RECORDIO = "application/x-recordio-protobuf"
CSV = "text/csv"
JSON = "application/json"
JSONLINES = "application/jsonlines"

ALIASES = {
    "x-recordio-protobuf": RECORDIO,
    "recordio-protobuf": RECORDIO,
    "application/recordio-protobuf": RECORDIO,
    "csv": CSV,
    "application/csv": CSV,
    "json": JSON,
    "text/json": JSON,
    "jsonlines": JSONLINES,
    "jsonl": JSONLINES,
    "application/jsonl": JSONLINES,
    "application/json-lines": JSONLINES,
    "application/x-jsonlines": JSONLINES,
    "application/x-ndjson": JSONLINES,
}
"""Other names under which users send the four formats."""


LABEL_DIGITS = 9
LABEL_SIZE = re.compile(rf"0*[0-9]{{1,{LABEL_DIGITS}}}")

LONGEST_QUOTE = 60
"""Characters of a content type that a message repeats."""


class UnsupportedMediaTypeError(CustomerError):
    """The data is announced as something that topicdock does not read; serving answers 415."""


@dataclass(frozen=True)
class MediaType:
    """A media type such as ``text/csv;label_size=0``.

    Attributes
    ----------
    name : str
        In lower case, aliases replaced: ``text/csv``.
    parameters : mapping of str to str
        Names in lower case, values without quotes.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "; ".join([self.name, *(f"{name}={value}" for name, value in self.parameters.items())])


def parse_media_type(text: str) -> MediaType:
    """Parse a Content-Type; names and parameter names in any case, spaces and quotes optional.

    An unknown name is returned as it is: whether it can be read is for :func:`decode_counts` to say.
    """
    name, *parts = text.split(";")
    pairs = [part.partition("=") for part in parts if part.strip()]
    lower = name.strip().lower()
    parameters = {key.strip().lower(): value.strip().strip("\"'").strip() for key, _, value in pairs}
    return MediaType(ALIASES.get(lower, lower), parameters)


def decode_counts(body: bytes | memoryview, media_type: MediaType, feature_dim: int) -> csr_matrix:
    """Decode a body of any supported media type.

    Parameters
    ----------
    body : bytes or memoryview
    media_type : MediaType
    feature_dim : int
        V, the size of the vocabulary.

    Returns
    -------
    csr_matrix, (D, V) float32
        Sorted, without duplicates or explicit zeros; finite and above zero.

    Raises
    ------
    UnsupportedMediaTypeError
        If no decoder is known for the media type.
    CustomerError
        If the body is not what the media type says, naming the first bad record, row, instance or line.
    """
    return stack(list(find_decoder(media_type)([bytes(body)], media_type, feature_dim)), feature_dim)


Decoder = Callable[[Iterable[bytes], MediaType, int], Iterator[csr_matrix]]
"""From the pieces of a body or stream, which may be cut anywhere, to its documents, some at a time."""


def find_decoder(media_type: MediaType, *, joined: bool = False) -> Decoder:
    """Return the decoder for a media type, or raise :class:`UnsupportedMediaTypeError`.

    `joined`: of objects end to end, of which some may lack their last line end.
    """
    if joined and media_type.name == CSV:
        return partial(_decode_csv, joined=True)
    decoder = DECODERS.get(media_type.name)
    if decoder is None:
        raise UnsupportedMediaTypeError(
            "the content type is not supported", got=repr(media_type.name[:LONGEST_QUOTE]), allowed=", ".join(DECODERS)
        )
    return decoder


def _decode_csv(
    pieces: Iterable[bytes], media_type: MediaType, feature_dim: int, *, joined: bool = False
) -> Iterator[csr_matrix]:
    text = media_type.parameters.get("label_size")
    if text is not None and not LABEL_SIZE.fullmatch(text):
        raise CustomerError(
            "label_size in the content type must be a whole number",
            got=repr(text[:LONGEST_QUOTE]),
            allowed="0 or more, up to nine digits",
        )
    label_size = None if text is None else int(text[-LABEL_DIGITS:])
    return decode_csv_pieces(pieces, feature_dim, label_size, joined=joined)


DECODERS: Mapping[str, Decoder] = {
    RECORDIO: lambda pieces, _, feature_dim: decode_record_pieces(pieces, feature_dim),
    CSV: _decode_csv,
    # Its brackets close at the end.
    JSON: lambda pieces, _, feature_dim: iter([decode_json(b"".join(pieces), feature_dim)]),
    JSONLINES: lambda pieces, _, feature_dim: decode_jsonlines_pieces(pieces, feature_dim),
}
