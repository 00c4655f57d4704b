"""What a sweep varies: settings of the config, each with the values that are tried.

model.units=[32],[64],[128]                   one of these, each a value in YAML
training.batch_size=16..128                   a whole number, both ends included
model.dropout.output=0..0.5                   a number
model.optimizer.learning_rate=log:1e-4..1e-2  a number, small ones as often as large ones
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic_core import to_jsonable_python

from components.errors import ConfigError
from pipelines.config import PipelineConfig, load_config

Values: TypeAlias = Mapping[str, Any]
"""One value for each parameter, as Optuna knows it: a choice is the text of its JSON."""

_RANGE: Final = re.compile(r"(?P<log>log:)?(?P<low>[^,\[\]{}]+?)\.\.(?P<high>[^,\[\]{}]+)")
_SWEPT: Final = ("features", "model", "seed", "training")
# A trial is one fit that is judged on the validation split: what judges it, and what comes after
# it, is the same for all.
_FIXED: Final = frozenset(
    f"training.{name}"
    for name in ("early_stopping_metric", "refit", "temperature_scaling", "ensemble_size")
)


@dataclass(frozen=True)
class Parameter:
    """A setting by its dotted path, and what it may be."""

    path: str
    distribution: BaseDistribution

    def setting(self, value: Any) -> str:
        """``KEY=VALUE``, as ``--set`` takes it."""
        if isinstance(self.distribution, FloatDistribution):
            # Four digits tell two settings apart, and a person can read and copy them.
            return f"{self.path}={float(f'{value:.4g}')!r}"
        return f"{self.path}={value}"

    def value_in(self, config: PipelineConfig) -> Any:
        """What a config has there, as Optuna knows it; None if a sweep would never try it."""
        found: Any = to_jsonable_python(config)
        for part in self.path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(self.distribution, CategoricalDistribution):
            text = json.dumps(found)
            return text if text in self.distribution.choices else None
        is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
        return found if is_number and self.distribution._contains(found) else None


@dataclass(frozen=True)
class Space:
    """The parameters of a sweep."""

    parameters: tuple[Parameter, ...]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """As Optuna takes them."""
        return {each.path: each.distribution for each in self.parameters}

    @property
    def size(self) -> float:
        """How many sets of values there are; infinite with a range of fractions."""
        return math.prod(_size(each.distribution) for each in self.parameters)

    def settings(self, values: Values) -> list[str]:
        """``KEY=VALUE`` of each parameter."""
        return [each.setting(values[each.path]) for each in self.parameters]

    def values_of(self, config: PipelineConfig) -> Values | None:
        """The values that a config has already; None if some of them are outside of the space."""
        values = {each.path: each.value_in(config) for each in self.parameters}
        return None if None in values.values() else values

    def describe(self) -> dict[str, str]:
        """What each parameter may be, in words."""
        return {each.path: _words(each.distribution) for each in self.parameters}


def parse_space(path: Path, settings: Sequence[str], texts: Sequence[str]) -> Space:
    """Reads the parameters, and tries each choice and each end of a range in the config.

    Args:
        path: of the config.
        settings: ``KEY=VALUE``, which hold in every trial.
        texts: ``KEY=VALUES``, as at the top of this module.

    Raises:
        ConfigError: a parameter cannot be read or varied, or the config cannot have such a value.
    """
    parameters = [_parse(text) for text in texts]
    if not parameters:
        raise ConfigError(
            "expected what to vary, such as --param model.units=[32],[64],[128]; got no --param."
        )
    paths = [each.path for each in parameters]
    if twice := sorted({each for each in paths if paths.count(each) > 1}):
        raise ConfigError(f"--param {twice[0]}: it is given twice; name all of its values in one.")
    for parameter in parameters:
        for value in _corners(parameter.distribution):
            try:
                load_config(path, [*settings, parameter.setting(value)])
            except ConfigError as error:
                raise ConfigError(f"--param {parameter.setting(value)}: {error}") from None
    return Space(tuple(parameters))


def _parse(text: str) -> Parameter:
    path, sign, values = (part.strip() for part in text.partition("="))
    if not sign or not path or not values:
        raise ConfigError(
            "--param: expected KEY=VALUES such as model.units=[32],[64] or "
            f"model.optimizer.learning_rate=log:1e-4..1e-2, got {text!r}."
        )
    if path.partition(".")[0] not in _SWEPT or path in _FIXED:
        raise ConfigError(
            f"--param {path}: a sweep varies settings of {', '.join(_SWEPT)}, which the metric on "
            "the validation split can judge, and not this one. Give it with --set, or in the "
            "config."
        )
    if found := _RANGE.fullmatch(values):
        return Parameter(path, _range(path, values, found))
    try:
        choices = yaml.safe_load(f"[{values}]")
    except yaml.YAMLError as error:
        raise ConfigError(f"--param {path}: {values!r} is not valid YAML: {error}") from None
    known = list(dict.fromkeys(json.dumps(choice) for choice in choices))
    if len(known) < 2:
        raise ConfigError(
            f"--param {path}: expected two values or more, separated by commas, or a range such as "
            f"1..8, got {values!r}. What does not vary belongs into --set."
        )
    return Parameter(path, CategoricalDistribution(known))


def _range(path: str, text: str, found: re.Match[str]) -> BaseDistribution:
    try:
        low, high = _number(found["low"]), _number(found["high"])
    except ValueError:
        raise ConfigError(
            f"--param {path}: expected numbers around the .., got {text!r}."
        ) from None
    is_log = found["log"] is not None
    if not low < high or (is_log and low <= 0):
        above = ", and above 0 for log:" if is_log else ""
        raise ConfigError(f"--param {path}: expected the lower end first{above}, got {text!r}.")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(low, high, log=is_log)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _size(distribution: BaseDistribution) -> float:
    match distribution:
        case CategoricalDistribution():
            return len(distribution.choices)
        case IntDistribution():
            return distribution.high - distribution.low + 1
        case _:
            return math.inf


def _corners(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return (distribution.low, distribution.high)


def _words(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    scale = "log:" if distribution.log else ""
    return f"{scale}{distribution.low:g}..{distribution.high:g}"
