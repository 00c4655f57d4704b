"""The section ``features`` of a config, and the table of the kinds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from components.config import STRICT, SettingsError
from components.features.ids import IdFeature
from components.features.kind import ValueType
from components.features.numeric import NumericFeature
from components.features.summaries import SUMMARIES, SummariesConfig
from components.features.vocabulary import VocabularyFeature

AnyFeature: TypeAlias = NumericFeature | VocabularyFeature | IdFeature
"""Every kind of feature, a more general one before a special case of it."""
KINDS: tuple[type[AnyFeature], ...] = get_args(AnyFeature)
Feature: TypeAlias = Annotated[AnyFeature, Field(discriminator="kind")]

RESERVED_NAMES = frozenset({"id", "label", "lengths", SUMMARIES})
"""Keys of a row, and inputs of the exported model and of the network, that no feature may take."""
FEATURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names that TensorFlow takes for a variable and a tensor."""


@dataclass(frozen=True, config=STRICT)
class FeaturesConfig:
    """The features of a row, by name: ``sequence`` (one value a time step) and ``context``."""

    sequence: Annotated[dict[str, Feature], Field(min_length=1)]
    """Features with one value per time step."""
    context: dict[str, Feature] = dataclasses.field(default_factory=dict)
    """Features with one value per row."""
    summaries: SummariesConfig = SummariesConfig()
    """Numbers that sum up the sequences, beside them."""

    def __post_init__(self) -> None:
        faults = list(_faults_of_names(self.sequence, self.context))
        for part, features in (("sequence", self.sequence), ("context", self.context)):
            for name, feature in features.items():
                if fault := feature.placement_fault(is_sequence=part == "sequence"):
                    faults.append((f"{part}.{name}", fault))
        has_tokens = len(self.numeric_sequences) < len(self.sequence)
        faults += self.summaries.faults(self.numeric_columns, has_tokens)
        if faults:
            raise SettingsError(*faults)

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


def _faults_of_names(sequence: Iterable[str], context: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The path of each name that cannot be, and why."""
    # As an argument of the exported model a name holds letters, digits and underscores only.
    arguments: dict[str, str] = {}
    for part, names in (("sequence", sequence), ("context", context)):
        for name in names:
            argument = re.sub(r"\W", "_", name)
            if not FEATURE_NAME.fullmatch(name):
                yield (
                    f"{part}.{name}",
                    f"{name!r} cannot name a tensor: letters, digits, '_', '.' and '-' make one, "
                    "the first a letter or a digit",
                )
            elif name in RESERVED_NAMES:
                yield (
                    f"{part}.{name}",
                    f"{name!r} is taken by rnnflow: give the feature another name",
                )
            elif argument in arguments:
                yield (
                    f"{part}.{name}",
                    f"this feature and {arguments[argument]} would both be called {argument!r} in "
                    "the exported model: rename one",
                )
            arguments.setdefault(argument, f"{part}.{name}")
