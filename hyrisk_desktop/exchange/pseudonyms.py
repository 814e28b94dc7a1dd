"""Keyed pseudonyms: the same UID or patient gets the same new name under one secret, and nobody can go back without it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr

_LEAST_BYTES = 16
_SUBJECT_CHARACTERS = 10  # 50 bits: a thousand patients share none of them by chance


def new_secret() -> bytes:
    """A secret for a project; who keeps it can map later exports consistently, and link them to the originals."""
    return secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """New names under one secret, which by default nobody keeps.

    Raises:
        InputError: the secret has fewer than 16 bytes, so that trying out all patient numbers could find it.
    """

    secret: bytes = field(default_factory=new_secret, repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _LEAST_BYTES:
            raise InputError("short_secret", tr("The secret of a de-identified export needs at least 16 bytes."))

    def uid(self, old: str) -> str:
        """A UID of a UUID (PS3.5, B.2) that stands for ``old``."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', old)[:16], version=4).int}"

    def subject(self, *identity: str) -> str:
        """A subject code such as ``S-7K2QX4M9PA`` that stands for whom these values name."""
        # Base 32 has no 0, 1 and 8, which people read as letters.
        code = base64.b32encode(self._digest("subject", *identity)).decode()
        return f"S-{code[:_SUBJECT_CHARACTERS]}"

    def _digest(self, *parts: str) -> bytes:
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        message = b"".join(len(data).to_bytes(4, "big") + data for data in (part.encode() for part in parts))
        return hmac.new(self.secret, message, hashlib.sha256).digest()
