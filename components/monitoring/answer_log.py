"""A sample of what is served, in the row format, beside what was answered.

    {"id": "a-17", "context": {...}, "sequence": {...}, "prediction": {"label": "walking",
     "confidence": 0.93, "probabilities": {...}, "model_version": 3, "time": "2026-01-31T..."}}

The rows wait in memory, within a bound, for a thread that writes them: no answer waits for a disk.
Whatever fails there is counted, and said once.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from components.export.row_scoring import RowScores, answer_row
from components.monitoring.log_files import LogFiles, LogOptions

_LOG = logging.getLogger("rnnflow.serving")

FLUSH_SECONDS: Final = 0.5
"""What a crash may lose. The thread looks by itself: to be woken by each request would cost it."""
MOST_WAITING_BYTES: Final = 16 << 20
"""Of rows as JSON that wait for the thread; a burst of more is not logged."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    row: Mapping[str, Any]
    row_id: str
    scores: RowScores
    labels: Sequence[str]
    version: int
    seconds: float
    bytes: float


class AnswerLog:
    """Takes answered rows, and has a thread write them.

    Args:
        options: what is logged, and where.
        each_look: called by the thread each time that it looks for rows.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, options: LogOptions, each_look: Callable[[], None] = lambda: None) -> None:
        self._options = options
        self._files = LogFiles(options)
        self._files.check_writable()
        self._each_look = each_look
        self._dropped = sorted(options.dropped)
        self._random = random.Random()
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0.0
        self._ended = threading.Event()
        self._is_failing = False
        self.written_rows = 0
        """Rows that are in the files."""
        self.lost_rows: Counter[str] = Counter(dict.fromkeys(("busy", "storage", "too large"), 0))
        """Rows that were to be logged and are not, by the reason."""
        self._thread = threading.Thread(target=self._run, name="log answers", daemon=True)
        self._thread.start()

    @property
    def total_bytes(self) -> int:
        """Of all files of the folder, when something was last written."""
        return self._files.total_bytes

    def chosen(self, rows: Sequence[Any]) -> dict[int, Any]:
        """The rows of a request that are to be logged, by their places in it."""
        share = self._options.share
        return {
            place: row
            for place, row in enumerate(rows)
            if share >= 1 or self._random.random() < share
        }

    def ids(self, ids: Iterable[str]) -> list[str | None]:
        """The ids of the answers of a request: a row without one is logged, and answered, with one.

        Where ids are not logged, the answers keep those that came.
        """
        if "id" in self._options.dropped:
            return [each or None for each in ids]
        return [each or new_id() for each in ids]

    def put(
        self,
        chosen: Mapping[int, Mapping[str, Any]],
        ids: Sequence[str | None],
        scores: Sequence[RowScores],
        labels: Sequence[str],
        version: int,
        row_bytes: float,
    ) -> None:
        """Has the answers to the chosen rows of a request written; returns at once.

        Args:
            chosen: of the request, as they came.
            ids: of all its rows.
            scores: of all its rows.
            labels: of the model.
            version: of the model.
            row_bytes: about how many bytes a row has as JSON.
        """
        now = datetime.now(UTC).timestamp()
        with self._lock:
            for place, row in chosen.items():
                # A row that is larger than the bound waits alone.
                if self._waiting and self._waiting_bytes + row_bytes > MOST_WAITING_BYTES:
                    self.lost_rows["busy"] += 1
                    continue
                row_id = ids[place] or new_id()
                self._waiting_bytes += row_bytes
                self._waiting.append(
                    _Waiting(row, row_id, scores[place], labels, version, now, row_bytes)
                )

    def close(self, seconds: float) -> None:
        """Writes what waits, for so long at most, and ends the thread."""
        self._ended.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ended.wait(FLUSH_SECONDS)
            # Whatever it is, the next rows are to be written, and answers go on.
            try:
                self._each_look()
                self._write_waiting()
            except Exception as error:
                self._fails(error, 0)
        self._files.close()

    def _write_waiting(self) -> None:
        for block, rows in self._blocks():
            try:
                self._files.append(block)
            except OSError as error:
                self._fails(error, rows)
                continue
            self.written_rows += rows
            if self._is_failing:
                self._is_failing = False
                _LOG.info("answers are logged again in %s", self._options.folder)

    def _blocks(self) -> Iterator[tuple[bytes, int]]:
        """The lines of all rows that wait, and how many there are, in blocks for one file."""
        block, rows = bytearray(), 0
        while True:
            with self._lock:
                one = self._waiting.popleft() if self._waiting else None
                self._waiting_bytes -= one.bytes if one else 0
            if one is None:
                break
            line = self._line(one)
            if len(line) > self._files.file_bytes:
                self.lost_rows["too large"] += 1
                continue
            if len(block) + len(line) > self._files.file_bytes:
                yield bytes(block), rows
                block, rows = bytearray(), 0
            block += line
            rows += 1
        if rows:
            yield bytes(block), rows

    def _line(self, one: _Waiting) -> bytes:
        answer = answer_row(one.scores, one.labels)
        time = datetime.fromtimestamp(one.seconds, UTC).isoformat(timespec="milliseconds")
        prediction = {**answer._asdict(), "model_version": one.version, "time": time}
        if self._dropped:
            prediction["dropped"] = self._dropped
        row_id = new_id() if "id" in self._options.dropped else one.row_id
        rest = {key: value for key, value in one.row.items() if key not in ("id", "prediction")}
        row = {"id": row_id, **_without(rest, self._options.dropped), "prediction": prediction}
        try:
            return orjson.dumps(row) + b"\n"
        except TypeError:  # a whole number of more than 64 bits, which JSON has
            return json.dumps(row, ensure_ascii=False).encode() + b"\n"

    def _fails(self, error: Exception, rows: int) -> None:
        self.lost_rows["storage"] += rows
        if not self._is_failing:
            self._is_failing = True
            _LOG.error(
                "cannot log answers in %s: %s; they are answered all the same, and "
                "rnnflow_log_lost_rows_total counts those that are not logged",
                self._options.folder,
                error,
            )


def new_id() -> str:
    """An id for a row that has none."""
    return uuid.uuid4().hex


def _without(row: dict[str, Any], dropped: frozenset[str]) -> dict[str, Any]:
    """The row without these fields, wherever in it they are."""
    if not dropped:
        return row
    kept = {key: value for key, value in row.items() if key not in dropped}
    for part in ("context", "sequence"):
        if isinstance(kept.get(part), dict):
            kept[part] = {key: each for key, each in kept[part].items() if key not in dropped}
    return kept
