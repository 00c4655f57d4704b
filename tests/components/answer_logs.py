"""Logs of answers as `rnnflow serve --log` leaves them, for tests that read one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def logged(
    row: dict[str, Any],
    label: Any,
    confidence: Any = 0.75,
    version: int = 4,
    seconds: float = NOON,
    dropped: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A line of a log."""
    prediction = {
        "label": label,
        "confidence": confidence,
        "probabilities": {},
        "model_version": version,
        "time": datetime.fromtimestamp(seconds, UTC).isoformat(),
        **({"dropped": list(dropped)} if dropped else {}),
    }
    return {**row, "prediction": prediction}


def write_log(folder: Path, lines: Iterable[dict[str, Any]], name: str = "1") -> Path:
    """Writes a file of a log, and gives its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / f"answers-{name}.jsonl").write_text(text)
    return folder
