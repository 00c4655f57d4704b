"""The record of every move of the champion: append-only, kept by MLflow itself.

The ledger of the model NAME is the registered model ``NAME-ledger``; its version n is record n.
MLflow numbers the versions of a model one after the other, also when several hosts create them at
once. So all clients of a server see one order of the records, without a lock that they would have
to share.

A record counts if its ``before`` is the champion at its place in the ledger, and is void otherwise:
of two moves that begin at the same champion, the first counts (compare-and-set). The aliases follow
the ledger: a record is written first, then the aliases move, then the record is marked as applied.
A move that is interrupted in between is completed by whoever reads the ledger next.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import getpass
import json
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from components.artifacts.values import Look
from components.errors import RegistryError
from components.registry.versions import ensure_registered, search_versions
from components.tracking.client import MlflowClient, MlflowException, ModelVersion, quoted
from components.tracking.values import storable

Action: TypeAlias = Literal["gate", "approve", "reject", "promote", "rollback", "by hand"]
"""``reject`` moves nothing: its ``before`` and ``after`` are the champion, its reason names the
version."""
_BY_THE_GATE: frozenset[Action] = frozenset({"gate", "approve"})
"""What passed the gate, which says whether the reference moves too."""

SUFFIX = "-ledger"
REASON_LENGTH = 500
"""Most characters of a reason that a record keeps. With all its escapes, a record stays below the
5,000 characters that MLflow's databases take in a tag and in a description."""
_RECORD_TAG = "rnnflow.record"
_APPLIED_TAG = "rnnflow.applied"
_LOOK_TAG = "rnnflow.look"
"""Of the ledger's registered model: begins the key of each candidate that was held against rows."""
_OLD_HISTORY_TAG = "rnnflow.history"
"""Of the registered model: what releases before the ledger kept, all in one tag."""
_LOOK = TypeAdapter(Look)
_ATTEMPTS = 20
"""MLflow tries three times to number a version while others create some; here it is asked again."""


class _NumberTakenError(Exception):
    """MLflow found no free number for a version, since others took them at the same moment."""


@dataclasses.dataclass(frozen=True)
class Record:
    """One move of the champion; ``before`` and ``after`` are versions, None for no champion."""

    action: Action
    before: int | None
    after: int | None
    who: str
    when: str
    """ISO 8601, UTC."""
    why: str
    number: int = 0
    """Place in the ledger, from 1; 0 before it is written, and for those of older releases."""
    applied: bool = False
    """The aliases have followed."""
    moves_reference: bool = True
    """What becomes the champion becomes the reference, too; the gate may say that it does not."""


@dataclasses.dataclass(frozen=True)
class Standing:
    """What the records add up to."""

    champion: int | None = None
    predecessors: tuple[int, ...] = ()
    """The champions before, the last one last: where rollbacks lead, one after the other."""
    rolled_back: frozenset[int] = frozenset()
    """Versions that a person took out of service and nobody promoted again."""
    counted: tuple[Record, ...] = ()
    """The records that count, oldest first."""
    reference: int | None = None
    """The model that the best evidence so far supports."""
    reference_since: str = ""
    """ISO 8601, UTC."""

    def after(self, record: Record) -> Standing:
        """The standing once ``record`` is added; unchanged if the record is void."""
        # Older releases could lose a record, so theirs need not begin where the last one ended.
        if record.before != self.champion and record.number:
            return self
        if record.action == "reject":
            return dataclasses.replace(self, counted=(*self.counted, record))
        left = frozenset() if record.before is None else frozenset({record.before})
        back = record.after is None or record.after in self.predecessors
        if record.action == "rollback" or (record.action == "by hand" and back):
            # One that is none of the predecessors lies below them all.
            below = (
                self.predecessors.index(record.after) if record.after in self.predecessors else 0
            )
            kept, rolled_back = self.predecessors[:below], self.rolled_back | left
        else:
            kept, rolled_back = (*self.predecessors, *left), self.rolled_back
        rolled_back -= {record.after}
        # A person is always right, and without a reference the first champion is it. One that a
        # person takes out of service is none: a rollback makes where it leads the reference.
        by_a_person = record.action not in _BY_THE_GATE
        moves = record.moves_reference or by_a_person or self.reference is None
        return Standing(
            reference=record.after if moves else self.reference,
            reference_since=record.when if moves else self.reference_since,
            champion=record.after,
            # Each version once, and never one that somebody took out of service.
            predecessors=tuple(each for each in kept if each not in {*rolled_back, record.after}),
            rolled_back=rolled_back,
            counted=(*self.counted, record),
        )


def add_up(records: Iterable[Record]) -> Standing:
    """The standing after all records, given in their order."""
    standing = Standing()
    for record in records:
        standing = standing.after(record)
    return standing


class Ledger:
    """The ledger of one registered model.

    Raises:
        MlflowException: from every method, if the server is unreachable or rejects the request.
    """

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        self._model = name
        self.name = f"{name}{SUFFIX}"

    def standing(self) -> Standing:
        """What all records so far add up to."""
        return add_up(self.records())

    def records(self) -> list[Record]:
        """All records, oldest first, void ones among them."""
        found = search_versions(self._client, f"name = {quoted(self.name)}")
        if any(_RECORD_TAG not in version.tags for version in found):
            raise RegistryError(
                f"the moves of {self._model}'s champion are recorded in the registered model "
                f"{self.name}, but that holds versions of something else. Rename it in MLflow, or "
                "choose another `name` in the config."
            )
        own = sorted(map(_read, found), key=lambda record: record.number)
        return [*self._old_records, *own]

    def append(
        self,
        action: Action,
        before: int | None,
        after: int | None,
        why: str,
        moves_reference: bool = True,
    ) -> Record:
        """Writes a record behind all others, and returns it with its number."""
        why = str(storable(why))[:REASON_LENGTH]
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = Record(action, before, after, _who(), when, why, moves_reference=moves_reference)
        # Before the write and not after one that failed: MLflow's basic-auth answers one to a model
        # that does not exist with "permission denied", as it does for one that is another user's.
        self._make()
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(_NumberTakenError):
                return self._write(record)
            # Random, so that clients that met once do not meet at every attempt.
            time.sleep(random.uniform(0.01, 0.1))
        return self._write(record)

    def _make(self) -> None:
        text = f"The moves of the champion of {self._model}, one version each. Written by rnnflow."
        ensure_registered(self._client, self.name, text)

    def looks(self) -> tuple[Look, ...]:
        """The candidates that were held against test rows, oldest first."""
        try:
            tags = self._client.get_registered_model(self.name).tags
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return ()
            raise
        found = [_LOOK.validate_json(text) for key, text in tags.items() if _is_look(key)]
        return tuple(sorted(found, key=lambda look: look.when))

    def append_look(self, look: Look) -> None:
        """Keeps a look, once; each has a tag of its own, so that none is lost to another client."""
        self._make()
        key = f"{_LOOK_TAG}.{look.rows.digest[:16]}.{look.predictions[:16]}"
        if key not in self._client.get_registered_model(self.name).tags:
            when = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
            text = _LOOK.dump_json(dataclasses.replace(look, when=when)).decode()
            write_again_if_taken(
                lambda: self._client.set_registered_model_tag(self.name, key, text)
            )

    def _write(self, record: Record) -> Record:
        try:
            version = self._client.create_model_version(
                self.name,
                # A version needs an address; this one names what moved, and leads nowhere.
                source=f"rnnflow:/{self._model}/{record.after or 'none'}",
                tags={_RECORD_TAG: as_text(record)},
                description=described(record),
            )
        except MlflowException as error:
            if "Giving up after" in str(error):
                raise _NumberTakenError from error
            raise
        return dataclasses.replace(record, number=int(version.version))

    def mark_applied(self, record: Record) -> None:
        """Notes that the aliases have followed a record."""
        number = str(record.number)
        write_again_if_taken(
            lambda: self._client.set_model_version_tag(self.name, number, _APPLIED_TAG, "true")
        )

    def mark_void(self, record: Record) -> None:
        """Says in MLflow's pages that a record does not count; the ledger itself shows it too."""
        text = f"Void, since another move came first: {described(record)}"
        self._client.update_model_version(self.name, str(record.number), text)

    @functools.cached_property
    def _old_records(self) -> tuple[Record, ...]:
        try:
            tags = self._client.get_registered_model(self._model).tags
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return ()
            raise
        return tuple(
            Record(old["action"], old["from"], old["to"], old["who"], old["when"], old["why"])
            for old in json.loads(tags.get(_OLD_HISTORY_TAG, "[]"))
        )


def _is_look(key: str) -> bool:
    return key.startswith(f"{_LOOK_TAG}.")


def write_again_if_taken(write: Callable[[], object]) -> None:
    """Writes a tag or an alias that other clients may write at the same moment.

    MLflow looks whether it is there and then inserts it: the later one of two clients that found
    nothing gets an error of the database, and finds it at the second time.
    """
    try:
        write()
    except MlflowException as error:
        # PostgreSQL and SQLite say unique, MySQL says duplicate.
        if not re.search("unique|duplicate", str(error), re.IGNORECASE):
            raise
        write()


def described(record: Record) -> str:
    """A record as one sentence."""
    moved = f"{version_text(record.before)} → {version_text(record.after)}"
    return f"{record.action}: {moved}, {record.who}, {record.when}: {record.why}"


def version_text(version: int | None) -> str:
    """How a version is named in messages."""
    return "no version" if version is None else f"version {version}"


def as_text(record: Record) -> str:
    """A record as it stands in the tag of its version."""
    fields = dataclasses.asdict(record)
    del fields["number"], fields["applied"]
    return json.dumps(fields, ensure_ascii=False)


def _read(version: ModelVersion) -> Record:
    fields = json.loads(version.tags[_RECORD_TAG])
    return Record(**fields, number=int(version.version), applied=_APPLIED_TAG in version.tags)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
