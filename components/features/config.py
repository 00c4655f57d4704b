"""The section ``features`` of a config, the names of features, and the table of the kinds.

A feature has two names. Rows, answers, reports and messages have the user's own, which may be any
text. Everything inside, from the training examples to the exported graph, has the key of the
feature in ``FeaturesConfig``, which TensorFlow can take for a variable, a tensor and a file. Where
a config has the user's own name as a key that TensorFlow cannot take, the key becomes an alias
here, and nowhere else, and the feature's ``name_in_rows`` keeps the user's own.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated, TypeAlias, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from components.config import STRICT, SettingsError
from components.features.bucketized import BucketizedFeature
from components.features.hashed import HashedFeature
from components.features.ids import IdFeature
from components.features.kind import ValueType
from components.features.numeric import NumericFeature
from components.features.summaries import SUMMARIES, SummariesConfig
from components.features.vocabulary import VocabularyFeature

AnyFeature: TypeAlias = (
    NumericFeature | BucketizedFeature | VocabularyFeature | HashedFeature | IdFeature
)
"""Every kind of feature, a more general one before a special case of it."""
KINDS: tuple[type[AnyFeature], ...] = get_args(AnyFeature)
Feature: TypeAlias = Annotated[AnyFeature, Field(discriminator="kind")]

RESERVED_NAMES = frozenset({"id", "label"})
"""Keys of a row that no feature may take."""
_INPUTS = frozenset({*RESERVED_NAMES, "lengths", SUMMARIES})
"""Keys of an example, and an input of the exported model, that are no features."""

# A vocabulary's file has the name in its own, and file systems take 255 bytes.
_LONGEST = 100
_TENSOR_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{_LONGEST - 1}}}")
"""Names that TensorFlow takes for a variable and a tensor."""


@dataclass(frozen=True, config=STRICT)
class FeaturesConfig:
    """The features of a row, by name: ``sequence`` (one value a time step) and ``context``.

    A name that TensorFlow cannot take, such as one with spaces or accents, gets an alias.
    """

    sequence: Annotated[dict[str, Feature], Field(min_length=1)]
    """Features with one value per time step."""
    context: dict[str, Feature] = dataclasses.field(default_factory=dict)
    """Features with one value per row."""
    summaries: SummariesConfig = SummariesConfig()
    """Numbers that sum up the sequences, beside them."""

    def __post_init__(self) -> None:
        faults = list(_faults_of_names(self))
        for part, features in _parts(self).items():
            for name, feature in features.items():
                if fault := feature.placement_fault(is_sequence=part == "sequence"):
                    faults.append((f"{part}.{name}", fault))
        has_tokens = len(self.numeric_sequences) < len(self.sequence)
        faults += self.summaries.faults(self.numeric_columns, has_tokens)
        if faults:
            raise SettingsError(*faults)
        keys = _keys([name for features in _parts(self).values() for name in features])
        for part, features in _parts(self).items():
            renamed = {
                keys[name]: feature
                if keys[name] == name
                else dataclasses.replace(feature, name_in_rows=feature.in_rows(name))
                for name, feature in features.items()
            }
            object.__setattr__(self, part, renamed)  # the way of a frozen dataclass

    @property
    def by_name(self) -> dict[str, AnyFeature]:
        """The features of both parts; all names are distinct."""
        return {**self.context, **self.sequence}

    @property
    def numeric_sequences(self) -> tuple[str, ...]:
        """The names of the sequences that are numbers."""
        sequence = sorted(self.sequence.items())
        return tuple(name for name, feature in sequence if feature.raw.dtype == "float32")

    @property
    def numeric_columns(self) -> int:
        """C: the numbers at each step of all numeric sequences together."""
        return sum(self.sequence[name].raw.values_per_step for name in self.numeric_sequences)

    @property
    def transformed_context(self) -> dict[str, ValueType]:
        """The types of what a training example holds once, by name: the context, the summaries."""
        given = {name: feature.transformed for name, feature in self.context.items()}
        return {**given, **self.summaries.transformed(self.numeric_columns)}

    @property
    def transformed_sequence(self) -> dict[str, ValueType]:
        """The types of what a training example holds at each step, by name."""
        return {name: feature.transformed for name, feature in self.sequence.items()}


def why_no_name(name: str) -> str | None:
    """Why no feature can have this name in the rows; None if one can."""
    if not name or any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        return "it is empty or holds a control character or half of a character"
    if name in RESERVED_NAMES:
        return "every row has a field of this name"
    return None


def _parts(features: FeaturesConfig) -> dict[str, dict[str, AnyFeature]]:
    return {"sequence": features.sequence, "context": features.context}


def _faults_of_names(config: FeaturesConfig) -> Iterator[tuple[str, str]]:
    """The path of each name that cannot be, and why."""
    first: dict[str, str] = {}
    for part, features in _parts(config).items():
        for key, feature in features.items():
            name, path = feature.in_rows(key), f"{part}.{key}"
            if why := why_no_name(name):
                yield path, f"{name!r} cannot be the name of a feature: {why}; rename it"
            # Two features of one part may differ in their kinds alone; in a request there is one
            # column for both parts.
            elif name in first:
                yield path, f"{first[name]} reads {name!r} too: each feature has a name of its own"
            first.setdefault(name, path)


def _keys(names: list[str]) -> Mapping[str, str]:
    """For each name itself, or an alias where TensorFlow cannot take it or another has it.

    As an argument of the exported model a name has letters, digits and underscores alone, and
    TensorFlow names tensors in lower case: no two may differ in other characters or in capitals
    alone. The order of the features does not matter.
    """
    taken = set(_INPUTS)
    keys: dict[str, str] = {}
    # Names that can stay come first: no alias takes the place of one.
    for name in sorted(names, key=lambda name: (_TENSOR_NAME.fullmatch(name) is None, name)):
        stem = name if _TENSOR_NAME.fullmatch(name) else _plain(name)
        tries = (stem if number == 1 else f"{stem}_{number}" for number in range(1, len(names) + 4))
        keys[name] = next(each for each in tries if _argument(each) not in taken)
        taken.add(_argument(keys[name]))
    return keys


def _plain(name: str) -> str:
    """``Grosse_in_cm``: letters without their accents, and ``_`` for all that is not one."""
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    ascii_only = "".join(char for char in letters if not unicodedata.combining(char))
    plain = re.sub(r"[^A-Za-z0-9]+", "_", ascii_only).strip("_")
    # Room for a number behind it.
    return plain[: _LONGEST - 10].strip("_") or "feature"


def _argument(key: str) -> str:
    """As ``components.export.saved_model.argument_name``, which needs TensorFlow; lower case."""
    plain = re.sub(r"[^a-z0-9]", "_", key.lower())
    return plain if plain[0].isalpha() else f"arg_{plain}"
