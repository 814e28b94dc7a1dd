"""Keyed pseudonyms: the same UID or patient gets the same new name under one secret, and nobody can go back without it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr

LEAST_BYTES = 16
_SUBJECT_CHARACTERS = 10  # 50 bits: a thousand patients share none of them by chance
_MARK_CHARACTERS = 4  # a typing mistake shows but for once in a million


def new_secret() -> bytes:
    """A secret for a project; who keeps it can map later exports consistently, and link them to the originals."""
    return secrets.token_bytes(32)


def secret_of(text: str) -> bytes:
    """The secret that somebody typed, or keeps in a file: the same bytes from every keyboard and every editor."""
    return unicodedata.normalize("NFC", text).strip().encode()


def read_secret(path: Path) -> bytes:
    """The secret in a text file.

    Raises:
        InputError: the file can't be read as text.
    """
    try:
        return secret_of(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as e:
        raise InputError("bad_secret", tr("The file with the project secret can't be read as text.")) from e


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """New names under one secret, which by default nobody keeps.

    Raises:
        InputError: the secret has fewer than 16 bytes, so that trying out all patient numbers could find it.
    """

    secret: bytes = field(default_factory=new_secret, repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < LEAST_BYTES:
            raise InputError("short_secret", tr("The secret of a de-identified export needs at least 16 bytes."))

    def uid(self, old: str) -> str:
        """A UID of a UUID (PS3.5, B.2) that stands for ``old``."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', old)[:16], version=4).int}"

    def subject(self, *identity: str) -> str:
        """A subject code such as ``S-7K2QX4M9PA`` that stands for whom these values name."""
        # Base 32 has no 0, 1 and 8, which people read as letters.
        code = base64.b32encode(self._digest("subject", *identity)).decode()
        return f"S-{code[:_SUBJECT_CHARACTERS]}"

    def subject_of(self, attributes: Mapping[str, str]) -> str:
        """The subject code of the patient whom an exam's attributes name; of the study where they name none."""
        number, name = attributes.get("PatientID", "").strip(), attributes.get("PatientName", "").strip()
        if number:
            return self.subject("number", number)
        if name:
            return self.subject("name", name, attributes.get("PatientBirthDate", ""))
        return self.subject("study", attributes.get("StudyInstanceUID", ""))

    @property
    def mark(self) -> str:
        """A few letters that tell this secret from a mistyped one, and nothing of how it goes."""
        return base64.b32encode(self._digest("mark")).decode()[:_MARK_CHARACTERS]

    def _digest(self, *parts: str) -> bytes:
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        message = b"".join(len(data).to_bytes(4, "big") + data for data in (part.encode() for part in parts))
        return hmac.new(self.secret, message, hashlib.sha256).digest()
