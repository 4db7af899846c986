"""Verdicts of people on results (good, uncertain, bad; why; by whom) in a database: SQLite by default, any by its URL."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sql
from astropy.table import Table

from .. import __version__
from ..errors import DataError

URL_VARIABLE = "KIEL_VERDICTS"
"""Environment variable with the SQLAlchemy URL of a shared database."""
LONGEST = 2000
"""Characters of a text that are kept."""


class Grade(StrEnum):
    """Judgement of a reviewer on a result."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


@dataclass(frozen=True)
class Verdict:
    """One verdict on the result for one file, known by its hash; `made` is an ISO time in UTC, filled in when stored."""

    sha256: str
    star: str
    file: str
    grade: Grade
    reason: str = ""
    comment: str = ""
    reviewer: str = ""
    made: str = ""
    kiel: str = __version__


_METADATA = sql.MetaData()
_TABLE = sql.Table(
    "verdicts",
    _METADATA,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("sha256", sql.String(64), index=True, nullable=False),
    sql.Column("star", sql.Text, nullable=False),
    sql.Column("file", sql.Text, nullable=False),
    sql.Column("grade", sql.String(16), nullable=False),
    sql.Column("reason", sql.Text, nullable=False),
    sql.Column("comment", sql.Text, nullable=False),
    sql.Column("reviewer", sql.Text, nullable=False),
    sql.Column("made", sql.String(32), nullable=False),
    sql.Column("kiel", sql.String(32), nullable=False),
)
_COLUMNS = [column for column in _TABLE.columns if column.name != "id"]


class Verdicts:
    """A database of verdicts; none is ever overwritten, the newest of a file and reviewer counts, its own can be withdrawn."""

    def __init__(self, url: str | None = None) -> None:
        """Open the database at a SQLAlchemy URL, else $KIEL_VERDICTS, else SQLite in the user's data folder."""
        self.url = url or os.environ.get(URL_VARIABLE) or default_url()
        try:
            self._engine = sql.create_engine(self.url)
            _METADATA.create_all(self._engine)
        except (sql.exc.SQLAlchemyError, ImportError) as error:
            where = sql.make_url(self.url).render_as_string() if "://" in self.url else self.url
            raise DataError(
                f"The database of verdicts at {where} cannot be opened ({_first_line(error)}); check ${URL_VARIABLE}."
            ) from error

    def add(self, verdict: Verdict) -> Verdict:
        """Store a verdict, with the time it was made; DataError where the database refuses."""
        made = verdict.made or datetime.now(UTC).isoformat(timespec="milliseconds")
        values = {key: str(value)[:LONGEST] for key, value in {**asdict(verdict), "made": made}.items()}
        try:
            with self._engine.begin() as connection:
                connection.execute(_TABLE.insert().values(**values))
        except sql.exc.SQLAlchemyError as error:
            raise DataError(f"The verdict on {verdict.star} could not be stored ({_first_line(error)}).") from error
        return _verdict(values)

    def all(self, sha256: str | None = None) -> tuple[Verdict, ...]:
        """Verdicts, all or those on one file, oldest first."""
        query = sql.select(*_COLUMNS).order_by(_TABLE.c.made, _TABLE.c.id)
        if sha256 is not None:
            query = query.where(_TABLE.c.sha256 == sha256)
        with self._engine.connect() as connection:
            return tuple(_verdict(dict(row)) for row in connection.execute(query).mappings())

    def newest(self, sha256: str, reviewer: str | None = None) -> Verdict | None:
        """The last verdict on a file, of one reviewer or of whoever made it."""
        verdicts = [v for v in self.all(sha256) if reviewer is None or v.reviewer == reviewer]
        return verdicts[-1] if verdicts else None

    def withdraw(self, verdict: Verdict) -> None:
        """Delete a verdict that its reviewer takes back; DataError where the database refuses."""
        same = [column == str(getattr(verdict, column.name)) for column in _COLUMNS]
        try:
            with self._engine.begin() as connection:
                connection.execute(_TABLE.delete().where(*same))
        except sql.exc.SQLAlchemyError as error:
            raise DataError(f"The verdict on {verdict.star} could not be taken back ({_first_line(error)}).") from error

    def close(self) -> None:
        """Let go of the database's connections."""
        self._engine.dispose()


def default_url() -> str:
    """SQLite in the user's data folder ($XDG_DATA_HOME, else ~/.local/share), which is made where it is missing."""
    folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "kiel"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder {folder} for verdicts cannot be made ({error.strerror}); name a database with ${URL_VARIABLE}."
        ) from error
    return f"sqlite:///{folder / 'verdicts.sqlite'}"


def as_csv(verdicts: Iterable[Verdict]) -> bytes:
    """Verdicts as a CSV table."""
    buffer = io.StringIO()
    _as_table(verdicts).write(buffer, format="ascii.csv")
    return buffer.getvalue().encode()


def as_votable(verdicts: Iterable[Verdict]) -> bytes:
    """Verdicts as a VOTable."""
    buffer = io.BytesIO()
    _as_table(verdicts).write(buffer, format="votable")
    return buffer.getvalue()


def _as_table(verdicts: Iterable[Verdict]) -> Table:
    rows = [asdict(verdict) for verdict in verdicts]
    return Table({c.name: [str(row[c.name]) for row in rows] for c in _COLUMNS}, dtype=["U"] * len(_COLUMNS))


def _verdict(values: dict[str, str]) -> Verdict:
    grade = Grade(values["grade"])
    return Verdict(**{**values, "grade": grade})  # type: ignore[arg-type]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
