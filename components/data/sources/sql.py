"""Rows from a database: a file with a query, whose first line says which database it is for.

    -- database: postgresql+psycopg2://reader@db.example.com/sensors
    SELECT id, label, time, pulse FROM readings WHERE day > now() - interval '90 days'

The address is SQLAlchemy's. A password does not belong into it: PostgreSQL's own library takes it
from ``PGPASSWORD`` or ``~/.pgpass``.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import sqlalchemy

from components.data.sources.csv_tables import Csv
from components.data.sources.source import Record
from components.errors import DataError, NotFoundError

_FIRST_LINE: Final = re.compile(r"\s*--\s*database:\s*(\S+)\s*\n", re.IGNORECASE)
_FETCHED_ROWS: Final = 10_000


class Sql(Csv):
    """The result of a query, a row each or a step each; it is fetched once a process.

    It is ordered by id, since a database gives its rows in any order, and held in memory. A row's
    number is its place in that order.
    """

    kind = "SQL"
    layout = "the line `-- database: URL`, and a query whose columns are those of the rows"

    def digest(self) -> str:
        """SHA-256 of the rows, in hexadecimal: the same query may have others tomorrow."""
        digest = hashlib.sha256()
        for batch in self._table([]).to_batches():
            # As text: the bytes of a batch depend on how it was cut.
            digest.update(repr(batch.to_pylist()).encode())
        return digest.hexdigest()

    def _table(self, damaged: list[Record]) -> pa.Table:
        """The result.

        Raises:
            DataError: the file names no database, or the query fails.
            NotFoundError: the database cannot be reached.
        """
        del damaged
        text = Path(self.path).read_text(encoding="utf-8")
        found = _FIRST_LINE.match(text)
        if found is None:
            raise DataError(
                f"{self.path} does not say which database it is for; expected {self.layout}."
            )
        columns = self.columns
        table = _fetched(self.path, found[1], text[found.end() :].strip().rstrip(";"))
        for name in (columns.id, columns.label):
            if name in table.column_names and not pa.types.is_nested(table.schema.field(name).type):
                place = table.column_names.index(name)
                table = table.set_column(place, name, table.column(name).cast(pa.string()))
        keys = [(name, "ascending") for name in (columns.id, columns.time)
                if name in table.column_names]  # fmt: skip
        return table.sort_by(keys) if keys else table


@functools.lru_cache(maxsize=4)
def _fetched(path: str, address: str, query: str) -> pa.Table:
    try:
        engine = sqlalchemy.create_engine(address)
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        raise DataError(
            f"{path} names no database that can be reached: {_first_line(error)}; expected an "
            "address of SQLAlchemy, such as postgresql+psycopg2://user@host/name, whose driver is "
            "installed."
        ) from error
    try:
        with engine.connect().execution_options(
            stream_results=True, max_row_buffer=_FETCHED_ROWS
        ) as connection:
            result = connection.execute(sqlalchemy.text(query))
            parts = [
                pa.Table.from_pylist([_plain(row) for row in rows])
                for rows in result.mappings().partitions(_FETCHED_ROWS)
            ]
            names = list(result.keys())
    except sqlalchemy.exc.OperationalError as error:
        raise NotFoundError(f"{path}: the database cannot be read: {_first_line(error)}") from error
    except (sqlalchemy.exc.SQLAlchemyError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: the query fails: {_first_line(error)}") from error
    finally:
        engine.dispose()
    if not parts:
        return pa.table({name: pa.array([], pa.string()) for name in names})
    return pa.concat_tables(parts, promote_options="permissive")


def _plain(row: Any) -> dict[str, Any]:
    """Arrow knows the types of Python, and of the others their text: of a UUID, of an address."""
    known = (str, int, float, bool, bytes, list, dict, type(None))
    return {
        name: value
        if isinstance(value, known) or hasattr(value, "isoformat") or hasattr(value, "as_tuple")
        else str(value)
        for name, value in row.items()
    }


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
