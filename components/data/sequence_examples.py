"""Rows become the bytes of a ``tf.train.SequenceExample``.

The protocol buffers are written by hand, ten times as fast as through their Python classes: every
step of a feature has the same header, so that a whole sequence is one numpy array. The same values
give the same bytes: map keys are sorted. Numbers are packed.
Wire format: https://protobuf.dev/programming-guides/encoding/; messages: tensorflow/core/example.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from components.data.row_parsing import Numbers, Row, Value
from components.features.config import FeaturesConfig

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
"""Numbers of the fields of ``tf.train.Feature``."""


SECONDS = "_seconds"
"""Holds when a row was, in whole seconds since 1970. No feature's key begins like this."""


def encode_row(row: Row, features: FeaturesConfig, *, with_time: bool = False) -> bytes:
    """Serializes a row, raw or transformed: its id, its labels if it has any, and the features."""
    context: dict[str, Value] = {"id": [row.id.encode()]}
    if with_time:
        # As float32, the only kind of fractions in an example, a second is lost today.
        context[SECONDS] = np.array([math.floor(row.seconds)], np.int64)
    if row.labels is not None:
        context["label"] = [label.encode() for label in row.labels]
    # The summaries are in transformed rows only.
    names = [name for name in features.transformed_context if name in row.values]
    context |= {name: row.values[name] for name in names}
    return encode(context, {name: row.values[name] for name in features.sequence})


def encode(context: Mapping[str, Value], sequence: Mapping[str, Value]) -> bytes:
    """Serializes one example.

    Args:
        context: by feature name float32 [1, F], int64 [1], or one string.
        sequence: by feature name float32 [T, F], F numbers per step; or int64 [T] or T strings, one
            per step.
    """
    features = _map({name: _feature(value) for name, value in context.items()})
    lists = _map({name: _steps(value) for name, value in sequence.items()})
    return _field(1, features) + _field(2, lists)


def _feature(value: Value) -> bytes:
    """A Feature that holds all the values."""
    if isinstance(value, list):
        return _field(_BYTES_LIST, b"".join(_field(1, string) for string in value))
    if _is_float(value):
        return _field(_FLOAT_LIST, _field(1, _little_endian(value)))
    return _field(_INT64_LIST, _field(1, b"".join(_varint(int(number)) for number in value)))


def _steps(value: Value) -> bytes:
    """A FeatureList: one Feature a step."""
    if isinstance(value, list):
        return b"".join(_field(1, _feature([string])) for string in value)
    if _is_float(value):
        return _float_steps(value)
    # Ids repeat within a sequence: each is encoded once.
    known = {int(number): b"" for number in value}
    for number in known:
        known[number] = _field(1, _feature(np.array([number])))
    return b"".join(known[int(number)] for number in value)


def _is_float(value: Numbers) -> TypeGuard[NDArray[np.float32]]:
    return value.dtype == np.float32


def _float_steps(value: NDArray[np.float32]) -> bytes:
    """Every step has the same size, so the headers are one constant block of columns."""
    steps, width = value.shape
    # One step is encoded as usual; all that is before its 4 F bytes of numbers is the header.
    step = _field(1, _feature(np.zeros(width, np.float32)))
    header = len(step) - 4 * width
    block = np.empty((steps, len(step)), np.uint8)
    block[:, :header] = np.frombuffer(step[:header], np.uint8)
    block[:, header:] = np.frombuffer(_little_endian(value), np.uint8).reshape(steps, 4 * width)
    return block.tobytes()


def _map(entries: Mapping[str, bytes]) -> bytes:
    """A ``map<string, message>``, which both Features and FeatureLists hold as field 1."""
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, entries[name])) for name in sorted(entries)
    )


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    # The tag is the field's number and, in three bits, the wire type: 2 is length-delimited.
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first; a negative number as its 64-bit two's complement."""
    number &= (1 << 64) - 1
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def _little_endian(value: NDArray[np.float32]) -> bytes:
    return value.astype("<f4", copy=False).tobytes()
