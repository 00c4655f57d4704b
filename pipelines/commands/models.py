"""The commands for the model that serves: promote, approve, reject, rollback, history, predict."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import click
from rich.markup import escape
from rich.table import Table

from components.artifacts.storage import (
    check_output,
    check_output_directory,
    copy_directory,
    open_atomically,
    storage_errors,
)
from components.data.sources.formats import files_of, local_path, source_of
from components.data.sources.jsonl import StandardInput
from components.data.sources.source import Source
from components.errors import DataError, NotFoundError, UserError
from components.registry.approvals import approve as approve_candidate
from components.registry.approvals import reject as reject_candidate
from components.registry.registry import fetch_version, find_champion, list_moves
from components.registry.registry import promote as promote_version
from components.registry.registry import rollback as rollback_version
from pipelines.config import load_config
from pipelines.console import make_console
from pipelines.work_directory import CONFIG, WorkDirectory

if TYPE_CHECKING:
    from components.data.row_parsing import RowFormat
    from components.export.batch_prediction import Prediction


def promote(name: str, version: int, reason: str, work_dir: Path) -> None:
    """Makes a version the champion.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the registry is unreachable or another process moved the champion.
    """
    uri = WorkDirectory.at(work_dir).tracking_uri
    before = promote_version(name, version, tracking_uri=uri, reason=reason)
    was = f"version {before}" if before else "none"
    click.echo(f"{name}: version {version} is the champion (before: {was})")


def approve(name: str, version: int | None, reason: str, work_dir: Path) -> None:
    """Makes the candidate the champion.

    Raises:
        NotFoundError: no version waits for approval, or another one.
        RegistryError: the registry is unreachable, or the champion is another one than that which
          the gate compared with.
    """
    uri = WorkDirectory.at(work_dir).tracking_uri
    before, after = approve_candidate(name, version, tracking_uri=uri, reason=reason)
    was = f"version {before}" if before else "none"
    click.echo(f"{name}: version {after} is the champion (before: {was})")


def reject(name: str, version: int | None, reason: str, work_dir: Path) -> None:
    """Takes the candidate back.

    Raises:
        NotFoundError: no version waits for approval, or another one.
        RegistryError: the registry is unreachable.
    """
    uri = WorkDirectory.at(work_dir).tracking_uri
    rejected = reject_candidate(name, version, tracking_uri=uri, reason=reason)
    click.echo(f"{name}: version {rejected} is rejected; the champion stays")


def rollback(name: str, reason: str, work_dir: Path) -> None:
    """Makes the previous champion the champion again.

    Raises:
        NotFoundError: there is no champion or no previous one.
        RegistryError: the registry is unreachable or another process moved the champion.
    """
    uri = WorkDirectory.at(work_dir).tracking_uri
    before, after = rollback_version(name, tracking_uri=uri, reason=reason)
    click.echo(f"{name}: version {after} is the champion again (before: version {before})")


def show_history(name: str, as_json: bool, work_dir: Path) -> None:
    """Prints every move of the champion, oldest first.

    Raises:
        NotFoundError: nothing of that name was ever promoted.
        RegistryError: the registry is unreachable.
    """
    work = WorkDirectory.at(work_dir)
    moves = list_moves(name, work.tracking_uri)
    if not moves:
        raise NotFoundError(
            f"{name} never had a champion in {work.printed_tracking_uri}: check the name, "
            "MLFLOW_TRACKING_URI and --work-dir."
        )
    if as_json:
        for move in moves:
            click.echo(json.dumps(dataclasses.asdict(move), ensure_ascii=False))
        return
    table = Table(title=f"champions of {name}")
    for column in ("when (UTC)", "who", "by", "from", "to", "why"):
        table.add_column(column, no_wrap=column not in {"who", "why"}, overflow="fold")
    for move in moves:
        versions = ("-" if each is None else str(each) for each in (move.before, move.after))
        when = move.when[:16].replace("T", " ")
        table.add_row(when, escape(move.who), move.action, *versions, escape(move.why))
    make_console().print(table)


def export_version(config: Path | None, version: int | None, output: Path, work_dir: Path) -> None:
    """Copies the SavedModel of the champion, or of a version, to a new directory.

    Args:
        config: whose model; the newest run's without it.
        version: this version instead of the champion.
        output: the directory, which appears whole.
        work_dir: the work directory.

    Raises:
        UserError: something is there already.
        NotFoundError: there is no run, champion or version.
        RegistryError: the registry is unreachable.
    """
    check_output_directory(output)
    work = WorkDirectory.at(work_dir)
    name = load_config(config or work.run() / CONFIG).name
    number, saved_model = _chosen_model(name, work, version, None)
    copy_directory(saved_model, output)
    click.echo(f"{name} version {number}: SavedModel in {output}")


def predict(
    name: str,
    data: Path | str,
    output: Path | None,
    work_dir: Path,
    *,
    version: int | None = None,
    run_id: str | None = None,
    top_k: int | None = None,
) -> None:
    """Scores rows and writes one JSON line per row, in order, while it reads.

    Args:
        name: the registered model.
        data: the file of the rows, or its URL; ``-`` for standard input.
        output: appears when all rows are answered; without it the lines go to standard output.
        work_dir: the work directory.
        version: to score with instead of the champion.
        run_id: the run whose version is taken instead of the champion.
        top_k: how many labels an answer lists.

    Raises:
        NotFoundError: there is no champion, version, run or file of this name.
        DataError: no row is valid; the answers say why, and ``output`` is not written.
        BrokenModelError: TensorFlow cannot load or run the model.
        RegistryError: the registry is unreachable.
    """
    if version is not None and run_id is not None:
        raise UserError("give --version or --run, not both.")
    if output is not None:
        check_output(output)
    sources: list[Source] = (
        [StandardInput()]
        if str(data) == "-"
        else [source_of(local_path(file)) for file in files_of(str(data))]
    )
    for source in sources:
        source.check_readable()  # before TensorFlow is loaded and the model is fetched
    number, saved_model = _chosen_model(name, WorkDirectory.at(work_dir), version, run_id)
    # Imported here, so that a missing file or champion is reported before the slow import.
    from components.export.batch_prediction import Predictor

    predictor = Predictor(saved_model, top_k)
    # Which column is what was in the config that the model was trained by.
    sources = [dataclasses.replace(source, columns=predictor.columns) for source in sources]
    scored = invalid = 0
    first_invalid: Prediction | None = None
    with _output(output) as file:
        for part in chain.from_iterable(source.parts() for source in sources):
            for answer in predictor.predict(part):
                # As JSONL, in the order of the source: it can be pasted beside the input.
                file.write(json.dumps(answer.as_json(), ensure_ascii=False).encode() + b"\n")
                if answer.error is None:
                    scored += 1
                else:
                    invalid += 1
                    first_invalid = first_invalid or answer
            # Whoever reads along sees every part when it is answered.
            file.flush()
        # Inside of the block: an output without one answer is not kept.
        if not scored:
            reads = f"{name} version {number} reads {_described(predictor.form)}."
            _refuse_all(sources[0], first_invalid, invalid, reads)
    where = f" to {output}" if output else ""
    click.echo(
        f"{name} version {number}: {scored:,} rows scored{where}, {invalid:,} invalid",
        err=True,  # standard output may hold the predictions
    )


def _chosen_model(
    name: str, work: WorkDirectory, version: int | None, run_id: str | None
) -> tuple[int, Path]:
    """The number of the version to score with, and a local copy of its SavedModel."""
    if run_id is not None:
        work.run(run_id)  # or it says which runs there are
        outcome = work.find_outcome(run_id)
        if outcome is None or outcome.version is None or outcome.version.name != name:
            raise NotFoundError(
                f"run {run_id} registered no version of {name}: `rnnflow status --run {run_id}` "
                "shows how it ended, and `rnnflow status` lists the versions."
            )
        version = outcome.version.version
    if version is not None:
        return version, fetch_version(name, version, work.tracking_uri, work.champions)
    champion = find_champion(name, work.tracking_uri, work.champions)
    if champion is None:
        raise NotFoundError(
            f"{name} has no champion yet in {work.printed_tracking_uri}. `rnnflow run` promotes "
            f"one when the gate passes; `rnnflow promote {name} VERSION` does it by hand, and "
            "`--version` or `--run` scores with another version."
        )
    return champion.version, Path(champion.path)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is complete."""
    if path is None:
        yield sys.stdout.buffer
    elif path.exists() and not path.is_file():
        # A device or a pipe, such as /dev/null, cannot be replaced.
        with storage_errors(path), path.open("wb") as file:
            yield file
    else:
        with open_atomically(path) as file:
            yield file


def _refuse_all(source: Source, first: Prediction | None, count: int, reads: str) -> NoReturn:
    if first is None:
        raise DataError(f"{source.path} is empty; expected {source.layout}.")
    raise DataError(
        f"none of the {count:,} rows of {source.path} is valid; "
        f"{source.location(first.line)}: {first.error}. {reads}"
    )


def _described(form: RowFormat) -> str:
    """``sequence event (string), pulse (2 numbers); context city (string)``."""
    words = {"string": "string", "int64": "id"}
    parts = (("sequence", form.sequence), ("context", form.context))
    return "; ".join(
        f"{part} "
        + ", ".join(
            f"{name} ({words.get(each.dtype) or f'{each.width} number' + 's' * (each.width > 1)})"
            for name, each in features.items()
        )
        for part, features in parts
        if features
    )
