"""The protobuf message ``aialgs.data.Record``, read by the protobuf library: any layout the wire format allows.

The message class is built here, from a description, instead of being generated: generated code is tied to one
version of the protobuf library, and would register itself under a name that other SageMaker code in the same process
registers too.

References
----------
SageMaker developer guide, "Common data formats for training", ``record.proto``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from numpy.typing import NDArray

from topicdock.corpus import bag_of_words
from topicdock.errors import CustomerError

FEATURE_NAME = "values"
PACKAGE = "aialgs.data"

_F = FieldDescriptorProto
TENSORS = {
    "Float32Tensor": ("float32_tensor", 2, _F.TYPE_FLOAT),
    "Float64Tensor": ("float64_tensor", 3, _F.TYPE_DOUBLE),
    "Int32Tensor": ("int32_tensor", 7, _F.TYPE_INT32),
}
NUMPY_TYPES = {"float32_tensor": np.float32, "float64_tensor": np.float64, "int32_tensor": np.int32}


def decode_message(payload: bytes, feature_dim: int, where: str) -> tuple[NDArray[np.generic], NDArray[np.integer]]:
    """Decode one Record into the counts and word ids of its document.

    Parameters
    ----------
    payload : bytes
        The message without its frame.
    feature_dim : int
        V, the size of the vocabulary.
    where : str
        What errors call this record.

    Returns
    -------
    values, ids : (N,) arrays
        Not yet checked for their range: :func:`topicdock.corpus.bag_of_words.assemble` does that.

    Raises
    ------
    CustomerError
        If the bytes are no Record, or the Record does not hold a document of `feature_dim` words.
    """
    record = RecordMessage()
    try:
        record.ParseFromString(payload)
    except DecodeError as error:
        raise CustomerError(
            "the bytes are not a protobuf Record",
            where=where,
            got=f"{len(payload)} bytes beginning {payload[:8].hex() or 'nowhere'}",
            allowed="RecordIO-framed messages of record.proto",
            todo="check that the content type is that of the data",
        ) from error
    kind, tensor = _find_tensor(record, where)
    keys = np.fromiter(tensor.keys, dtype=np.uint64, count=len(tensor.keys))
    values = np.fromiter(tensor.values, dtype=NUMPY_TYPES[kind], count=len(tensor.values))
    shape = list(tensor.shape)
    if keys.size or (shape and not values.size):  # sparse; a document without words has only its shape
        bag_of_words.check_sparse_lengths(len(values), len(keys), where)
        bag_of_words.check_shape(shape, feature_dim, where)
        return values, keys
    if shape:
        bag_of_words.check_shape(shape, feature_dim, where)
    bag_of_words.check_dense_length(len(values), feature_dim, where)
    return values, np.arange(feature_dim)


def _find_tensor(record: Any, where: str) -> tuple[str, Any]:
    if FEATURE_NAME not in record.features:
        names = ", ".join(repr(name) for name in sorted(record.features)[:5])
        raise CustomerError(
            f"a record must have the feature {FEATURE_NAME!r}",
            where=where,
            got=f"features {names}" if names else "no features",
            allowed=f"features[{FEATURE_NAME!r}]",
        )
    value = record.features[FEATURE_NAME]
    kind = value.WhichOneof("value")
    if kind not in NUMPY_TYPES:
        raise CustomerError(
            f"the feature {FEATURE_NAME!r} must be a tensor of numbers",
            where=where,
            got=kind or "no tensor",
            allowed=", ".join(NUMPY_TYPES),
        )
    return kind, getattr(value, kind)


def _add(
    message: DescriptorProto, name: str, number: int, kind: Any, of: str = "", label: Any = _F.LABEL_OPTIONAL
) -> _F:
    return message.field.add(
        name=name, number=number, type=kind, label=label, type_name=f".{PACKAGE}.{of}" if of else None
    )


def _add_repeated_numbers(message: DescriptorProto, name: str, number: int, kind: Any) -> None:
    _add(message, name, number, kind, label=_F.LABEL_REPEATED).options.packed = True


def _add_map(record: DescriptorProto, name: str, number: int) -> None:
    entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _add(entry, "key", 1, _F.TYPE_STRING)
    _add(entry, "value", 2, _F.TYPE_MESSAGE, "Value")
    _add(record, name, number, _F.TYPE_MESSAGE, f"Record.{entry.name}", _F.LABEL_REPEATED)


def _build_record_class() -> Any:
    file = FileDescriptorProto(name="topicdock/record.proto", package=PACKAGE, syntax="proto2")
    value = DescriptorProto(name="Value")
    value.oneof_decl.add(name="value")
    for name, (field, number, kind) in TENSORS.items():
        tensor = file.message_type.add(name=name)
        _add_repeated_numbers(tensor, "values", 1, kind)
        _add_repeated_numbers(tensor, "keys", 2, _F.TYPE_UINT64)
        _add_repeated_numbers(tensor, "shape", 3, _F.TYPE_UINT64)
        _add(value, field, number, _F.TYPE_MESSAGE, name).oneof_index = 0
    blob = file.message_type.add(name="Bytes")
    _add(blob, "value", 1, _F.TYPE_BYTES, label=_F.LABEL_REPEATED)
    _add(blob, "content_type", 2, _F.TYPE_STRING)
    _add(value, "bytes", 9, _F.TYPE_MESSAGE, "Bytes").oneof_index = 0
    file.message_type.append(value)
    record = file.message_type.add(name="Record")
    _add_map(record, "features", 1)
    _add_map(record, "label", 2)
    for number, name in enumerate(("uid", "metadata", "configuration"), start=3):
        _add(record, name, number, _F.TYPE_STRING)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Record"))


RecordMessage: Any = _build_record_class()
"""The message class, for reading what deviates from the usual layout."""
