"""Bytes, files and streams to bag of words, and back: a CSR matrix (D, V) of float32 counts, checked once, here.

What leaves this room is sorted, has no duplicates and no explicit zeros, and is finite and above zero.
"""

from topicdock.corpus.csv_rows import decode_csv, encode_csv
from topicdock.corpus.files import list_data_files, read_blocks, read_counts, write_counts
from topicdock.corpus.json_documents import decode_json, decode_jsonlines, encode_json, encode_jsonlines
from topicdock.corpus.json_requests import decode_json_requests
from topicdock.corpus.media_types import (
    CSV,
    JSON,
    JSONLINES,
    RECORDIO,
    MediaType,
    UnsupportedMediaTypeError,
    decode_counts,
    parse_media_type,
)
from topicdock.corpus.records import decode_records, encode_counts, encode_label_vectors
from topicdock.corpus.vocabulary import read_vocabulary, write_vocabulary

__all__ = [
    "CSV",
    "JSON",
    "JSONLINES",
    "RECORDIO",
    "MediaType",
    "UnsupportedMediaTypeError",
    "decode_counts",
    "decode_csv",
    "decode_json",
    "decode_json_requests",
    "decode_jsonlines",
    "decode_records",
    "encode_counts",
    "encode_csv",
    "encode_json",
    "encode_jsonlines",
    "encode_label_vectors",
    "list_data_files",
    "parse_media_type",
    "read_blocks",
    "read_counts",
    "read_vocabulary",
    "write_counts",
    "write_vocabulary",
]
