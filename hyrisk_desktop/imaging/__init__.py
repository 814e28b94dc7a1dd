"""Exams on disk -> checked CT volumes.

`find_series` and `read_volume` are the two calls that turn a disk into pixels; `check_volume` and `check_centre` say
whether the pixels are fit to be scored. Heavy libraries are imported inside functions: a window has to be up fast.
"""

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging.checks import check_centre, check_volume
from hyrisk_desktop.imaging.hashing import content_sha256, hash_files
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.heart_centre import ProposedCentre, propose_centre
from hyrisk_desktop.imaging.pixels.decoder_pool import prepare_decoders, shutdown_decoders, warm_decoders
from hyrisk_desktop.imaging.read import read_volume
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.scan import ScannedExam, reopen, scan_exams, scanned_exam
from hyrisk_desktop.imaging.series import find_series
from hyrisk_desktop.imaging.slab import Slab, SlicesSeen, read_slab, thin
from hyrisk_desktop.imaging.temporary import sweep
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

__all__ = [
    "CTVolume",
    "Finding",
    "Kind",
    "ProposedCentre",
    "ScannedExam",
    "SeriesRecord",
    "Severity",
    "Slab",
    "SlicesSeen",
    "Voxel",
    "check_centre",
    "check_volume",
    "content_sha256",
    "find_series",
    "hash_files",
    "prepare_decoders",
    "propose_centre",
    "read_slab",
    "read_volume",
    "reopen",
    "scan_exams",
    "scanned_exam",
    "shutdown_decoders",
    "sweep",
    "thin",
    "warm_decoders",
]
