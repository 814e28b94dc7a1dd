"""The tables. Change them only together with a new revision in ``migrations/versions``; a test compares the two."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_STAMP = String(24)


class Base(DeclarativeBase):
    """Common base; JSON for plain dicts and lists."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012  SQLAlchemy's own way


class ReaderRow(Base):
    """A person who reads, or a consensus of several."""

    __tablename__ = "readers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    created_at: Mapped[str] = mapped_column(_STAMP)


class ExamRow(Base):
    """A study found on disk."""

    __tablename__ = "exams"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text, unique=True)
    source: Mapped[str] = mapped_column(Text)
    study_uid: Mapped[str] = mapped_column(Text, index=True)
    patient_id: Mapped[str] = mapped_column(Text)
    patient_name: Mapped[str] = mapped_column(Text)
    study_date: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    synthetic: Mapped[bool]
    problem_code: Mapped[str] = mapped_column(String(64))
    problem: Mapped[str] = mapped_column(Text)
    found_at: Mapped[str] = mapped_column(_STAMP)


class SeriesRow(Base):
    """A series of an exam; place 0 is the one to read."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("exam_id", "series_uid", "kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exams.id", ondelete="CASCADE"), index=True)
    place: Mapped[int]
    series_uid: Mapped[str] = mapped_column(Text, index=True)
    kind: Mapped[str] = mapped_column(String(16))
    modality: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    kernel: Mapped[str] = mapped_column(Text)
    image_type: Mapped[str] = mapped_column(Text)
    slice_count: Mapped[int]
    thickness_mm: Mapped[float | None]
    increment_mm: Mapped[float | None]
    suitable: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    problem: Mapped[str] = mapped_column(String(64))
    findings: Mapped[list[Any]]
    attributes: Mapped[dict[str, Any]]
    files: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON list of paths, deflated: hundreds of names that differ in a digit."""
    content_sha256: Mapped[str] = mapped_column(String(64))


class PreparedRow(Base):
    """What was worked out of an exam's pixels before anybody opened it."""

    __tablename__ = "prepared"
    exam_id: Mapped[int] = mapped_column(ForeignKey("exams.id", ondelete="CASCADE"), primary_key=True)
    series_uid: Mapped[str] = mapped_column(Text)
    thumbnail: Mapped[bytes | None] = mapped_column(LargeBinary)
    x: Mapped[int | None]
    y: Mapped[int | None]
    z: Mapped[int | None]
    confident: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    findings: Mapped[list[Any]]
    prepared_at: Mapped[str] = mapped_column(_STAMP)


class ListRow(Base):
    """A reading list: the exams below a folder."""

    __tablename__ = "lists"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    root: Mapped[str] = mapped_column(Text)
    blinded: Mapped[bool]
    seed: Mapped[int]
    created_at: Mapped[str] = mapped_column(_STAMP)


class ListExamRow(Base):
    """Which exams a list holds, in the order in which they were found."""

    __tablename__ = "list_exams"
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id", ondelete="CASCADE"), primary_key=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exams.id", ondelete="CASCADE"), primary_key=True, index=True)
    position: Mapped[int]


class PlaceRow(Base):
    """Where a reader is in a list."""

    __tablename__ = "places"
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id", ondelete="CASCADE"), primary_key=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.id", ondelete="CASCADE"), primary_key=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exams.id", ondelete="CASCADE"))
    updated_at: Mapped[str] = mapped_column(_STAMP)


class ReadRow(Base):
    """One reader's judgement of one exam; see `records.Read`."""

    __tablename__ = "reads"
    __table_args__ = (UniqueConstraint("exam_id", "reader_id", "blinded"), Index("ix_reads_reader_id", "reader_id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    # No cascade: an exam that has been read is not forgotten with its list.
    exam_id: Mapped[int] = mapped_column(ForeignKey("exams.id"))
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id"))
    list_id: Mapped[int | None] = mapped_column(ForeignKey("lists.id", ondelete="SET NULL"))
    blinded: Mapped[bool]
    series_uid: Mapped[str] = mapped_column(Text)
    content_sha256: Mapped[str] = mapped_column(String(64))
    x: Mapped[int | None]
    y: Mapped[int | None]
    z: Mapped[int | None]
    centre_proposed: Mapped[bool]
    grade: Mapped[float | None]
    vessels: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    edits: Mapped[bytes] = mapped_column(LargeBinary)
    """Excluded voxels and drawn box as JSON, deflated."""
    profile: Mapped[str] = mapped_column(String(64))
    locked: Mapped[bool]
    model: Mapped[str] = mapped_column(Text)
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    prevalence: Mapped[float | None]
    results: Mapped[dict[str, Any]]
    agatston: Mapped[float | None]
    risk: Mapped[float | None]
    findings: Mapped[list[Any]]
    versions: Mapped[dict[str, Any]]
    started_at: Mapped[str] = mapped_column(_STAMP)
    graded_at: Mapped[str] = mapped_column(_STAMP)
    locked_at: Mapped[str] = mapped_column(_STAMP)
    updated_at: Mapped[str] = mapped_column(_STAMP)
    seconds_to_grade: Mapped[float | None]
    revision: Mapped[int]


class DeskRow(Base):
    """A window that has this worklist open; see `desks`."""

    __tablename__ = "desks"
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id", ondelete="CASCADE"))
    exam_id: Mapped[int | None] = mapped_column(ForeignKey("exams.id", ondelete="CASCADE"))
    blinded: Mapped[bool]
    seen_at: Mapped[float]
    """When the desk last said that it is there, in seconds by the database's own clock."""


class ChangeRow(Base):
    """When an exam, or a read of it, was changed last, counted over the whole file, and by which desk (SQLite only)."""

    __tablename__ = "changes"
    exam_id: Mapped[int] = mapped_column(
        ForeignKey("exams.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(index=True)
    desk: Mapped[str] = mapped_column(String(32))


class BatchRow(Base):
    """A run of bulk scoring that the window started."""

    __tablename__ = "batches"
    id: Mapped[int] = mapped_column(primary_key=True)
    list_id: Mapped[int | None] = mapped_column(ForeignKey("lists.id", ondelete="SET NULL"))
    out: Mapped[str] = mapped_column(Text)
    settings: Mapped[dict[str, Any]]
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[str] = mapped_column(_STAMP)
    ended_at: Mapped[str] = mapped_column(_STAMP)
    done: Mapped[int]
    failed: Mapped[int]


class AuditRow(Base):
    """What was done, by whom and when; rows are only ever added (a trigger refuses the rest)."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(_STAMP)
    reader: Mapped[str] = mapped_column(String(120))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64), index=True)
    detail: Mapped[dict[str, Any]]
    previous: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """Number and hash of the newest audit row: writers queue for this row, so the chain has no forks."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
