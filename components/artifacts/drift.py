"""What a comparison of rows with those of the champion finds."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")
_TOLD = 5
"""Alarms that a message names."""


@dataclass(frozen=True, config=_STRICT)
class DriftCheck:
    """One aspect of a feature, in rows and in those that the champion was trained on."""

    feature: str
    """Its name in the rows; empty for the row as a whole."""
    what: str
    """``value`` at a step, ``mean``, ``deviation`` or ``change`` over the steps, ``token``,
    ``length`` or ``label``."""
    place: int | None
    """Which number of a vector."""
    p_value: float
    distance: float
    """In [0, 1]: between the distribution functions of numbers, or the shares of tokens."""
    before: str
    """The quartiles, or the commonest tokens, of the champion's rows."""
    now: str
    is_alarm: bool = False

    @property
    def name(self) -> str:
        """``mean of pulse[3]``, ``length``."""
        place = "" if self.place is None else f"[{self.place}]"
        return f"{self.what} of {self.feature}{place}" if self.feature else self.what


@dataclass(frozen=True, config=_STRICT)
class Drift:
    """What has changed since the champion was trained."""

    version: int | None
    """The champion; None if there is none."""
    rows: int
    reference_rows: int
    checks: tuple[DriftCheck, ...]
    """The alarms first, then by distance."""
    reason: str = ""
    """Why nothing was compared; empty if something was."""

    @property
    def alarms(self) -> tuple[DriftCheck, ...]:
        """The checks that are alarms."""
        return tuple(check for check in self.checks if check.is_alarm)

    @property
    def told(self) -> str:
        """What was found, in a clause."""
        alarms = self.alarms
        if self.reason:
            return f"nothing to compare with: {self.reason}"
        if not alarms:
            return (
                f"no drift in {len(self.checks):,} checks of {self.rows:,} rows against those of "
                f"version {self.version}"
            )
        shown = "; ".join(
            f"{check.name} ({check.before} -> {check.now})" for check in alarms[:_TOLD]
        )
        more = f" and {len(alarms) - _TOLD:,} more" if len(alarms) > _TOLD else ""
        return (
            f"the rows differ from those that version {self.version} was trained on in "
            f"{len(alarms):,} of {len(self.checks):,} checks: {shown}{more}"
        )
