"""Reading DICOM objects that are no images, with caps: a hostile file must cost neither memory nor the program."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.attributes import quiet_pydicom
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.imaging.headers.header import EXPLICIT_LE, IMPLICIT_LE, BadHeader, NotDicom
from hyrisk_desktop.imaging.headers.tags import read_header

_MAX_BYTES = 64 << 20
_MAX_DEPTH = 32


def foreign_object() -> ExamError:
    """What is said of an object that another program made, or that is none of the kind."""
    return ExamError("foreign_object", tr("This object was not written by HyRisk Desktop and was not used."))


def read_object(path: Path, sop_class: str) -> Dataset:
    """The data set of a DICOM file of the class ``sop_class``, with every element parsed.

    Raises:
        ExamError: it can't be read, is too large, damaged, or of another class.
    """
    damaged = ExamError("damaged_object", tr("This DICOM object is damaged or cut short and was not used."))
    quiet_pydicom()
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ExamError("object_too_large", tr("This DICOM object is implausibly large and was not used."))
        header = read_header(path)
        if header.text("SOPClassUID") != sop_class or header.syntax not in (EXPLICIT_LE, IMPLICIT_LE):
            raise foreign_object()
        if header.size < header.pixel_offset + max(header.pixel_length, 0):
            raise damaged
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path)
            _parse_all(ds, 0)
        return ds
    except OSError as e:
        raise ExamError("unreadable", tr("The object can't be read: {why}.", why=e.strerror or type(e).__name__)) from e
    except (ExamError, MemoryError):
        raise
    except NotDicom as e:
        raise foreign_object() from e
    except BadHeader as e:
        raise damaged from e
    except parsing_errors() as e:
        raise damaged from e


def _parse_all(ds: Dataset, depth: int) -> None:
    """pydicom parses an element when it is asked for; what is damaged shall fail here, and not later."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                _parse_all(item, depth + 1)
