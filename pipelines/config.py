"""The one configuration tree, and how it is read from YAML.

Every fault is reported at once, each with its path and, for an unknown key, a suggestion.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shlex
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import to_jsonable_python

from components.artifacts.storage import is_url
from components.config import (
    NUMBER,
    DataConfig,
    ExportConfig,
    LaunchConfig,
    ModelConfig,
    PreprocessingConfig,
    RetentionConfig,
    SettingsError,
    TrainingConfig,
)
from components.errors import ConfigError, NotFoundError
from components.features.config import FeaturesConfig
from components.features.sliceable import hidden, sliceable
from components.gate_config import GateConfig
from components.label_tasks import TASKS
from components.labels.table import KINDS
from components.metrics import TOP_K, metrics_of
from components.metrics_config import MetricsConfig, ThresholdConfig, label_faults
from pipelines.config_faults import fault_lines

# MLflow's databases take 250 characters of a tag's name and 8000 of its text, and its servers 100
# tags at once, some thirty of which are ours.
_OUR_TAGS = ("git.", "host.", "mlflow.", "prefect.", "rnnflow.", "version.")


def _not_ours(name: str) -> str:
    if name.startswith(_OUR_TAGS):
        raise ValueError(f"expected a name that does not begin with one of {', '.join(_OUR_TAGS)}")
    return name


TagName: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./ -]*$", max_length=250),
    AfterValidator(_not_ours),
]
TagText: TypeAlias = Annotated[str, Field(max_length=5000)]


_End: TypeAlias = Literal["promoted", "proposed", "unchanged", "refused", "done", "failed"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", use_attribute_docstrings=True))
class PipelineConfig:
    """One pipeline: what is trained on what, and what it must reach."""

    # MLflow's databases take 256 characters, of the ledger's name too, which is longer.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200)]
    """Names the MLflow experiment and the registered model."""
    data: DataConfig
    features: FeaturesConfig
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    launch: LaunchConfig = LaunchConfig()
    metrics: MetricsConfig = MetricsConfig()
    threshold: ThresholdConfig | None = None
    """Of two labels: from which probability on one is answered; without it the more probable one
    is."""
    drift: Literal["warn", "error", "off"] = "warn"
    """Of rows that differ from those that the champion was trained on: ``warn`` tells it, ``error``
    stops the run before the training, ``off`` compares nothing."""
    gate: GateConfig = GateConfig()
    export: ExportConfig = ExportConfig()
    retention: RetentionConfig = RetentionConfig()
    notify_on: tuple[_End, ...] = ("promoted", "proposed", "refused", "failed")
    """Which ends of a run are told to the addresses in the environment variable ``APPRISE_URLS``,
    if it is set: Slack, e-mail, a webhook, and what else Apprise knows."""
    # What the generators of numpy and TensorFlow take alike.
    seed: Annotated[int, Field(ge=0, lt=1 << 32), NUMBER] = 7
    """The same seed gives the same model, bit for bit, on the same machine."""
    tags: Annotated[dict[TagName, TagText], Field(max_length=50)] = Field(default_factory=dict)
    """Tags of each run in MLflow, such as ``team: speech``; they change nothing else. At most 50:
    names of up to 250 letters, digits and ``_ . / -``, texts of up to 5000 characters."""

    def __post_init__(self) -> None:
        known = metrics_of(self.data.label)
        bounds = {"gate.bounds": self.gate.bounds}
        for index, each in enumerate(self.gate.slices):
            bounds[f"gate.slices.{index}.bounds"] = each.bounds
        faults = [
            (
                f"{path}.{key}",
                f"it is not measured where the rows have {TASKS[self.data.label].says}; "
                f"bound {', '.join(known)}",
            )
            for path, bounded in bounds.items()
            for key in bounded
            if key not in known
        ]
        faults += _slice_faults(self)
        faults += self._metric_faults()
        faults += KINDS[self.data.label].model_faults(self.model)
        if self.training.folds and not self.data.split.is_by_id:
            faults.append(
                (
                    "training.folds",
                    "the rows are dealt out one by one, and data.split keeps them together or in "
                    "order; leave one of them out",
                )
            )
        if faults:
            raise SettingsError(*faults)

    def _metric_faults(self) -> Iterator[tuple[str, str]]:
        """What is wanted of metrics that are not measured, or of rows that are not there."""
        costs, top_k = self.metrics.costs, self.metrics.top_k
        no_costs = "it needs metrics.costs, which says what an answer costs"
        if "expected_cost" in self.gate.bounds and not costs:
            yield "gate.bounds.expected_cost", no_costs
        if self.gate.compare_by == "expected_cost" and not costs:
            yield "gate.compare_by", no_costs
        if self.threshold and self.threshold.aim == "cost" and not costs:
            yield "threshold.aim", no_costs
        for k in TOP_K:
            # Without metrics.top_k it is 3, which takes labels that are not known yet.
            if f"top_{k}_accuracy" in self.gate.bounds and k != (top_k or 3):
                yield f"gate.bounds.top_{k}_accuracy", f"it is measured with metrics.top_k: {k}"
        if self.threshold and self.training.folds:
            yield (
                "threshold",
                "it is chosen on validation rows, and with training.folds there are none that the "
                "model has not seen; leave one of them out",
            )

    def check_labels(self, labels: Sequence[str], rare: Sequence[str]) -> None:
        """Holds the settings that name labels against those that there are.

        Args:
            labels: of the training split.
            rare: labels that the rows hold too, but too seldom.

        Raises:
            ConfigError: a label is not there, or there are not two for a threshold.
        """
        faults = list(label_faults(self.metrics, self.threshold, labels, rare))
        if faults:
            lines = "".join(f"\n  {path}: {fault}" for path, fault in faults)
            count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
            raise ConfigError(f"the config has {count} with these rows:{lines}")


def load_config(path: Path, settings: Sequence[str] = ()) -> PipelineConfig:
    """Reads a YAML file; the data paths in it are relative to the file's own folder.

    Args:
        path: the file.
        settings: ``KEY=VALUE``, which replace what it says; see ``parse_config``.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it is no YAML, or a key or value cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise NotFoundError(
            f"expected a config file, but {path} does not exist. "
            "Write one with `rnnflow init DATA.jsonl`."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text: {error}; if it is Latin-1, "
            f"`iconv -f LATIN1 -t UTF-8 {shlex.quote(str(path))}` converts it."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise NotFoundError(
            f"expected a config file; {str(path)!r} cannot be read: {error}."
        ) from None
    config = parse_config(text, str(path), settings)
    folder = path.resolve().parent
    absolute: dict[str, Any] = {
        name: str((folder / value).resolve())
        for name in ("train", "validation", "test")
        if (value := getattr(config.data, name)) is not None and not is_url(value)
    }
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **absolute))


def check_runner_of(config: PipelineConfig) -> None:
    """Refuses a Beam runner or an option that cannot be used, before anything heavy starts.

    Raises:
        ConfigError: there is no such runner, or it has no such option.
    """
    # Beam takes seconds to import: who leaves the runner as it is does not wait for it here.
    default = PreprocessingConfig()
    named = (config.preprocessing.runner, config.preprocessing.runner_options)
    if named != (default.runner, default.runner_options):
        from components.data.beam import check_runner

        check_runner(config.preprocessing)


def parse_config(text: str, source: str = "config", settings: Sequence[str] = ()) -> PipelineConfig:
    """Reads the text of a YAML file.

    Args:
        text: the YAML.
        source: what messages call it.
        settings: ``KEY=VALUE``, a dotted path and a value in YAML; each replaces or adds a value.

    Raises:
        ConfigError: it is no YAML, or a key or value cannot be used.
    """
    try:
        values = yaml.load(text, Loader=_UniqueKeyLoader)
    # A ValueError is a date or a number that Python does not have, such as 2024-13-01.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source} is not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{source} is not valid YAML: it is nested too deeply.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{source} must hold keys such as name, data, features; it holds none.")
    for setting in settings:
        _set(values, setting)
    try:
        return _adapter().validate_python(values)
    except ValidationError as error:
        faults = fault_lines(error.errors(include_url=False), values, PipelineConfig)
        plural = "faults" if len(faults) > 1 else "fault"
        lines = [f"{source} has {len(faults)} {plural}:", *(f"  {line}" for line in faults)]
        raise ConfigError("\n".join(lines)) from None


def dump_config(config: PipelineConfig) -> str:
    """The config as YAML text that ``parse_config`` reads back equal."""
    return yaml.safe_dump(to_jsonable_python(config), sort_keys=False, allow_unicode=True)


def flatten(config: object, prefix: str = "") -> dict[str, Any]:
    """Every value of the tree by its dotted path, as it is logged."""
    values = to_jsonable_python(config)
    return dict(leaves(values, prefix))


_PRELOADED: ContextVar[PipelineConfig | None] = ContextVar("preloaded_config", default=None)


@contextlib.contextmanager
def preloaded(config: PipelineConfig) -> Iterator[None]:
    """Inside, the flow works on this config and does not read its ``config_path`` again.

    A config cannot be a parameter of the flow: Prefect shows and keeps those, and a path is what a
    schedule can repeat.
    """
    token = _PRELOADED.set(config)
    try:
        yield
    finally:
        _PRELOADED.reset(token)


def preloaded_config() -> PipelineConfig | None:
    """The config of the ``preloaded`` block that this is called in."""
    return _PRELOADED.get()


def _slice_faults(config: PipelineConfig) -> Iterator[tuple[str, str]]:
    """What is wrong with ``gate.slices`` for rows with these features."""
    columns = sliceable(config.features, config.data)
    names = {name: each.known for name, each in columns.items()}
    for index, each in enumerate(config.gate.slices):
        path = f"gate.slices.{index}"
        if found := list(each.row_faults(names)):
            yield from ((f"{path}.{below}", fault) for below, fault in found)
            continue
        for name in sorted(hidden(config.features) & each.names):
            yield (
                path,
                f"{name} is what every row has, and here a feature of the context, too: give that "
                f"another key, with name_in_rows: {name}",
            )


def _set(values: dict[Any, Any], setting: str) -> None:
    key, sign, text = setting.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise ConfigError(
            f"--set: expected KEY=VALUE such as training.max_steps=100, got {setting!r}."
        )
    try:
        value = yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {key}: {text!r} is not valid YAML: {error}") from None
    section = values
    while len(parts) > 1:
        # The name of a feature may have dots in it: the longest name that is there counts.
        starts = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
        name = next((start for start in starts if start in section), parts[0])
        parts = parts[name.count(".") + 1 :]
        # A section that is not there, or is empty, gets its first key.
        below = section.get(name)
        below = section[name] = {} if below is None else below
        if not isinstance(below, dict):
            raise ConfigError(f"--set {key}: {name} is {below!r:.80}, which has no keys.")
        section = below
    section[parts[0]] = value


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a key that is given twice: YAML keeps the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"key {', '.join(twice)} is given twice below line {line}")
        return super().construct_mapping(node, deep)


# Built when it is first needed, which takes a moment that `--help` does not need.
@functools.cache
def _adapter() -> TypeAdapter[PipelineConfig]:
    return TypeAdapter(PipelineConfig)


def leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The values of nested mappings, each with its dotted path."""
    # An empty mapping is a leaf: the log shows that nothing was set there.
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
