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
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature

AnyFeature: TypeAlias = NumericFeature | VocabularyFeature | IdFeature
"""Every kind of feature, a more general one before a special case of it."""
KINDS: tuple[type[AnyFeature], ...] = get_args(AnyFeature)
Feature: TypeAlias = Annotated[AnyFeature, Field(discriminator="kind")]

RESERVED_NAMES = frozenset({"id", "label", "lengths"})
"""Keys of a row, and an input of the exported model, that no feature may take."""
FEATURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Names that TensorFlow takes for a variable and a tensor."""


@dataclass(frozen=True, config=STRICT)
class FeaturesConfig:
    """The features of a row, by name: ``sequence`` (one value a time step) and ``context``."""

    sequence: Annotated[dict[str, Feature], Field(min_length=1)]
    """Features with one value per time step."""
    context: dict[str, Feature] = dataclasses.field(default_factory=dict)
    """Features with one value per row."""

    def __post_init__(self) -> None:
        faults = list(_faults_of_names(self.sequence, self.context))
        for part, features in (("sequence", self.sequence), ("context", self.context)):
            for name, feature in features.items():
                if fault := feature.placement_fault(is_sequence=part == "sequence"):
                    faults.append((f"{part}.{name}", fault))
        if faults:
            raise SettingsError(*faults)

    @property
    def by_name(self) -> dict[str, AnyFeature]:
        """The features of both parts; all names are distinct."""
        return {**self.context, **self.sequence}


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
