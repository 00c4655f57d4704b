"""Rows become the bytes of a ``tf.train.SequenceExample``.

The protocol buffers are written by hand, ten times as fast as through their Python classes: every
step of a feature has the same header, so that a whole sequence is one numpy array. The same values
give the same bytes: map keys are sorted. Numbers are packed.
Wire format: https://protobuf.dev/programming-guides/encoding/; messages: tensorflow/core/example.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
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
    context = beside_features(row.id, row.labels, row.seconds if with_time else None)
    # The summaries are in transformed rows only.
    names = [name for name in features.transformed_context if name in row.values]
    context |= {name: row.values[name] for name in names}
    return encode(context, {name: row.values[name] for name in features.sequence})


def beside_features(
    row_id: str, labels: Sequence[str] | None, seconds: float | None = None
) -> dict[str, Value]:
    """What the example of a row holds beside its features, by name."""
    beside: dict[str, Value] = {"id": [row_id.encode()]}
    if labels is not None:
        beside["label"] = [label.encode() for label in labels]
    if seconds is not None:
        # As float32, the only kind of fractions in an example, a second is lost today.
        beside[SECONDS] = np.array([math.floor(seconds)], np.int64)
    return beside


def encode(context: Mapping[str, Value], sequence: Mapping[str, Value]) -> bytes:
    """Serializes one example; of many rows ``components.data.passes.encoding`` does it faster.

    Args:
        context: by feature name float32 [1, F], int64 [1], or one string.
        sequence: by feature name float32 [T, F], F numbers per step; or int64 [T] or T strings, one
            per step.
    """
    features = _map({name: feature_of(value) for name, value in context.items()})
    lists = _map({name: _steps(value) for name, value in sequence.items()})
    return field(1, features) + field(2, lists)


def feature_of(value: Value) -> bytes:
    """A Feature that holds all the values: float32, int64, or strings."""
    if isinstance(value, list):
        return field(_BYTES_LIST, b"".join(field(1, string) for string in value))
    if is_float(value):
        return field(_FLOAT_LIST, field(1, _little_endian(value)))
    return field(_INT64_LIST, field(1, b"".join(_varint(int(number)) for number in value)))


def _steps(value: Value) -> bytes:
    """A FeatureList: one Feature a step."""
    if isinstance(value, list):
        return b"".join(field(1, feature_of([string])) for string in value)
    if is_float(value):
        return float_steps(value).tobytes()
    # Ids repeat within a sequence: each is encoded once.
    known = {int(number): b"" for number in value}
    for number in known:
        known[number] = field(1, feature_of(np.array([number])))
    return b"".join(known[int(number)] for number in value)


def is_float(value: Numbers) -> TypeGuard[NDArray[np.float32]]:
    """Whether the numbers are float32."""
    return value.dtype == np.float32


def float_steps(value: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The Features of N steps with F numbers each, as the bytes [N, size of one]."""
    # Every step has the same size, so the headers are one constant block of columns.
    steps, width = value.shape
    # One step is encoded as usual; all that is before its 4 F bytes of numbers is the header.
    step = field(1, feature_of(np.zeros(width, np.float32)))
    header = len(step) - 4 * width
    block = np.empty((steps, len(step)), np.uint8)
    block[:, :header] = np.frombuffer(step[:header], np.uint8)
    block[:, header:] = np.frombuffer(_little_endian(value), np.uint8).reshape(steps, 4 * width)
    return block


def _map(entries: Mapping[str, bytes]) -> bytes:
    """A ``map<string, message>``, which both Features and FeatureLists hold as field 1."""
    return b"".join(
        field(1, field(1, name.encode()) + field(2, entries[name])) for name in sorted(entries)
    )


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of a message."""
    return _head(number, len(payload)) + payload


@functools.lru_cache(maxsize=1 << 14)
def _head(number: int, size: int) -> bytes:
    # The tag is the field's number and, in three bits, the wire type: 2 is length-delimited.
    return bytes((number << 3 | 2,)) + _varint(size)


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
