"""Several image sets under one series UID: parted by what differs, the best first; single strays stay faults."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging import SeriesRecord, find_series, read_volume, reopen, scan_exams
from tests.helpers.dicom_series import ROOT, anatomy, enhanced, slices, write, write_one

COUNT = 12
UID = f"{ROOT}.1.2"


def two(keyword: str, one: Any, other: Any, *, shift: float = 0.0) -> list[Dataset]:
    """Two image sets of the same places under one series UID, with pixels of seeds 3 and 4."""
    parts = []
    for number, (value, seed) in enumerate(((one, 3), (other, 4))):
        for index, part in enumerate(slices(COUNT, seed=seed)):
            part.SOPInstanceUID = f"{ROOT}.8{number}.{index}"
            part.InstanceNumber = number * COUNT + COUNT - index
            part.ImagePositionPatient = [*part.ImagePositionPatient[:2], part.ImagePositionPatient[2] + number * shift]
            if value is not None:
                setattr(part, keyword, value)
            parts.append(part)
    return parts


def check(records: list[SeriesRecord], best: int) -> None:
    """Both are offered, with their own pixels; ``best`` (0 or 1) is first, under the series' own UID."""
    assert [r.suitable for r in records] == [True, True]
    assert records[0].series_uid in (UID, f"{ROOT}.7.2")
    assert records[1].series_uid.startswith(records[0].series_uid + "#")
    assert records[0].dicom_series_uid == records[1].dicom_series_uid
    for record, number in zip(records, (best, 1 - best), strict=True):
        volume = read_volume(record)
        rows = volume.shape_zyx[1]
        assert np.array_equal(volume.hu, anatomy(COUNT, rows, rows, 3 + number))
        assert {f.code: f.severity for f in volume.findings} == {"split_series": Severity.WARNING}
        assert record.slice_count == COUNT


SETS: dict[str, tuple[str, Any, Any, int]] = {
    "acquisitions": ("AcquisitionNumber", 1, 2, 0),
    "acquisitions, the later first": ("AcquisitionNumber", 4, 3, 1),
    "cardiac phases": ("NominalPercentageOfCardiacPhase", 40.0, 70.0, 1),
    "trigger delays": ("NominalCardiacTriggerDelayTime", 300.0, 700.0, 0),
    "trigger times": ("TriggerTime", 700, 300, 1),
    "kernels": ("ConvolutionKernel", "B70f", "B30f", 1),
    "voltages": ("KVP", 120, 100, 0),
    "voltages, the other way": ("KVP", 80, 120, 1),
    "temporal positions": ("TemporalPositionIdentifier", 2, 1, 1),
    "descriptions": ("SeriesDescription", "phase A", "phase B", -1),
    "types": ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL", "A"], ["ORIGINAL", "PRIMARY", "AXIAL", "B"], -1),
    "times": ("AcquisitionTime", "101010", "101020", 0),
}


@pytest.mark.parametrize("name", SETS)
def test_image_sets_in_one_series(name: str, tmp_path: Path) -> None:
    keyword, one, other, best = SETS[name]
    write(two(keyword, one, other), tmp_path)
    records = find_series(tmp_path)
    if best < 0:
        best = 0 if np.array_equal(read_volume(records[0]).hu, anatomy(COUNT, 64, 64, 3)) else 1
    check(records, best)
    assert find_series(tmp_path)[0].files == records[0].files


def test_fields_of_view_and_matrices(tmp_path: Path) -> None:
    parts = two("SeriesDescription", None, None)
    for part in parts[:COUNT]:
        part.PixelSpacing = [0.8, 0.8]
    write(parts, tmp_path)
    records = find_series(tmp_path)
    assert sorted(read_volume(r).spacing_mm[0] for r in records) == [0.7, 0.8]
    assert {f.code for r in records for f in r.findings} == {"split_series"}


def test_sets_that_differ_in_two_ways(tmp_path: Path) -> None:
    parts = two("ConvolutionKernel", "B30f", "B70f")
    for number, part in enumerate(copy.deepcopy(two("ConvolutionKernel", "B30f", "B70f"))):
        part.SOPInstanceUID, part.AcquisitionNumber = f"{ROOT}.9.{number}", 2
        parts.append(part)
    for part in parts[: 2 * COUNT]:
        part.AcquisitionNumber = 1
    for part in parts[2 * COUNT :]:  # other pixels, or they were copies
        part.PixelData = part.PixelData[:4000] + b"\x01\x00" + part.PixelData[4002:]
    write(parts, tmp_path)
    records = find_series(tmp_path)
    assert [r.suitable for r in records] == [True] * 4
    assert [r.kernel for r in records] == ["B30f", "B30f", "B70f", "B70f"]
    assert len({r.series_uid for r in records}) == 4


def test_sets_that_lie_between_each_other_are_told_apart(tmp_path: Path) -> None:
    """Half an increment apart, their slices would make one even volume."""
    write(two("AcquisitionNumber", 1, 2, shift=1.25), tmp_path)
    check(find_series(tmp_path), 0)


def _one(keyword: str, value: Any, *where: int) -> Callable[[list[Dataset]], None]:
    def edit(parts: list[Dataset]) -> None:
        for index in where:
            setattr(parts[index], keyword, value)

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        _one("KVP", 80, 6), _one("ConvolutionKernel", "B70f", 6), _one("ConvolutionKernel", "B70f", 0), _one("KVP", 80, 0, 1),
        _one("SliceThickness", 5, 11), _one("PatientID", "T-2", *range(6)), _one("StudyInstanceUID", f"{ROOT}.9", *range(6)),
        _one("ContrastBolusAgent", "IV", 0, 1, 2),
    ],
)  # fmt: skip
def test_a_few_strays_are_no_image_set(edit: Callable[[list[Dataset]], None], tmp_path: Path) -> None:
    parts = slices(COUNT)
    for part in parts:
        part.ContrastBolusAgent = "ORAL"
    edit(parts)
    write(parts, tmp_path)
    records = find_series(tmp_path)
    assert [r.suitable for r in records] == [False]


def test_a_set_with_a_gap_is_offered_but_not_chosen(tmp_path: Path) -> None:
    parts = two("ConvolutionKernel", "B30f", "B70f")
    del parts[5]
    write(parts, tmp_path)
    records = find_series(tmp_path)
    assert [(r.kernel, r.suitable, r.problem) for r in records] == [
        ("B70f", True, ""),
        ("B30f", False, "missing_slice"),
    ]


def test_an_opened_file_stands_for_its_set(tmp_path: Path) -> None:
    write(two("ConvolutionKernel", "B30f", "B70f"), tmp_path)
    second = next(r for r in find_series(tmp_path) if r.kernel == "B70f")
    for file in second.files[:2]:
        found = find_series(file)
        assert (found[0].kernel, found[0].slice_count, found[1].slice_count) == ("B70f", COUNT, COUNT)


def test_scanned_sets_open_later_and_in_folders_of_their_own(tmp_path: Path) -> None:
    parts = two("NominalPercentageOfCardiacPhase", 40.0, 70.0)
    write(parts[:COUNT], tmp_path / "a")
    write(parts[COUNT:], tmp_path / "b")
    exam = {e.key: e for e in scan_exams(tmp_path)}
    ((found,),) = ([e] for e in exam.values())
    assert len(found.records) == 2
    check([reopen(r, found.source) for r in found.records], 1)


ENHANCED_SETS: dict[str, tuple[str, str, Any, Any, int]] = {
    "phases": ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase", 40.0, 70.0, 1),
    "times": ("FrameContentSequence", "TemporalPositionIndex", 1, 2, 0),
    "acquisitions": ("FrameContentSequence", "FrameAcquisitionNumber", 2, 1, 1),
    "kernels": ("CTReconstructionSequence", "ConvolutionKernel", "B70f", "B30f", -1),
    "voltages": ("CTXRayDetailsSequence", "KVP", 120.0, 80.0, -1),
    "map and plain": ("CTImageFrameTypeSequence", "FrameType", ["DERIVED", "PRIMARY", "VOLUME", "VNC"], ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], 2),
}  # fmt: skip


def both(sequence: str, keyword: str, one: Any, other: Any) -> Dataset:
    ds = enhanced(COUNT)
    ds.PixelData = b""
    groups = []
    for value, seed in ((one, 3), (other, 4)):
        stored = (anatomy(COUNT, 32, 32, seed).astype(int) + 1024)[::-1]
        ds.PixelData += stored.astype("<u2").tobytes()
        for group in copy.deepcopy(list(enhanced(COUNT).PerFrameFunctionalGroupsSequence)):
            item = Dataset()
            setattr(item, keyword, value)
            setattr(group, sequence, [item])
            groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = groups
    ds.NumberOfFrames = len(groups)
    return ds


@pytest.mark.parametrize("name", ENHANCED_SETS)
def test_image_sets_in_one_enhanced_file(name: str, tmp_path: Path) -> None:
    sequence, keyword, one, other, best = ENHANCED_SETS[name]
    write_one(both(sequence, keyword, one, other), tmp_path / "a.dcm")
    records = find_series(tmp_path)
    if best == 2:
        assert [(r.suitable, r.problem) for r in records] == [(True, ""), (False, "derived")]
        assert np.array_equal(read_volume(records[0]).hu, anatomy(COUNT, 32, 32, 4))
        return
    if best < 0:
        best = 0 if np.array_equal(read_volume(records[0]).hu, anatomy(COUNT, 32, 32, 3)) else 1
    check(records, best)
    (exam,) = scan_exams(tmp_path)
    check([reopen(r, exam.source) for r in exam.records], best)
    with pytest.raises(Exception, match="several image sets"):
        source_images(records[0], read_volume(records[0]))


def test_one_enhanced_file_for_each_phase(tmp_path: Path) -> None:
    for number, phase in enumerate((40.0, 70.0)):
        ds = enhanced(COUNT)
        stored = (anatomy(COUNT, 32, 32, 3 + number).astype(int) + 1024)[::-1]
        ds.PixelData = stored.astype("<u2").tobytes()
        ds.SOPInstanceUID, ds.InstanceNumber = f"{ROOT}.7.3.{number}", number + 1
        item = Dataset()
        item.NominalPercentageOfCardiacPhase = phase
        ds.SharedFunctionalGroupsSequence[0].CardiacSynchronizationSequence = [item]
        write_one(ds, tmp_path / f"{number}.dcm")
    check(find_series(tmp_path), 1)
    (exam,) = scan_exams(tmp_path)
    check([reopen(r, exam.source) for r in exam.records], 1)


def test_pieces_of_one_enhanced_image_stay_refused(tmp_path: Path) -> None:
    for number in range(2):
        ds = enhanced(COUNT)
        for group in ds.PerFrameFunctionalGroupsSequence:
            position = group.PlanePositionSequence[0].ImagePositionPatient
            group.PlanePositionSequence[0].ImagePositionPatient = [*position[:2], position[2] + number * COUNT * 2.5]
        ds.SOPInstanceUID = f"{ROOT}.7.3.{number}"
        write_one(ds, tmp_path / f"{number}.dcm")
    assert [r.problem for r in find_series(tmp_path)] == ["several_multiframe"]


def test_kernels_mixed_along_one_enhanced_stack_are_refused(tmp_path: Path) -> None:
    ds = enhanced(COUNT)
    for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        item = Dataset()
        item.ConvolutionKernel = "B70f" if number == 4 else "B30f"
        group.CTReconstructionSequence = [item]
    write_one(ds, tmp_path / "a.dcm")
    assert [r.problem for r in find_series(tmp_path)] == ["mixed_acquisitions"]
