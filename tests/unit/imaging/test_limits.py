"""Limits of finding, ordering and judging series: each just under and just over."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging import (
    CTVolume,
    Kind,
    SeriesRecord,
    check_centre,
    check_volume,
    find_series,
    read_volume,
    thin,
)
from hyrisk_desktop.imaging.choice import rank
from hyrisk_desktop.imaging.pixels.continuity import Contents
from hyrisk_desktop.imaging.pixels.padding import Padding, padding_in_hu
from hyrisk_desktop.imaging.slab import slices_needed
from hyrisk_desktop.imaging.splitting import Part, parts_of
from tests.helpers.dicom_series import ROOT, anatomy, slices, write

# --- what lies inside a series without being a slice of it


@pytest.mark.parametrize(
    ("count", "across", "problem"),
    [(12, 3, ""), (12, 4, "mixed_orientation"), (95, 5, ""), (95, 6, "mixed_orientation")],
)
@pytest.mark.parametrize("like", [True, False])
def test_a_few_crosswise_images_are_set_aside(
    count: int, across: int, problem: str, like: bool, tmp_path: Path
) -> None:
    """Three, or a twentieth of all; those of the slices' own matrix may be slices with a damaged header."""
    parts = slices(count, 16, 20)
    for number, ds in enumerate(slices(across, 16, 20 if like else 12, orientation=(0, 1, 0, 0, 0, -1))):
        ds.SOPInstanceUID = f"{ROOT}.1.9.{number}"
        parts.append(ds)
    records = find_series(write(parts, tmp_path))
    if problem and not like:
        assert [f.code for r in records for f in r.findings] == ["split_series"] * 2
        return
    (record,) = records
    assert record.problem == problem
    if not problem:
        assert record.slice_count == count
        (finding,) = record.findings
        assert finding.code == ("stray_slices" if like else "localizer_set_aside")
        assert finding.message.startswith(f"{across} ")


def test_crosswise_images_of_both_kinds_are_counted_apart(tmp_path: Path) -> None:
    parts = slices(12, 16, 20)
    for number, columns in enumerate((20, 12, 12)):
        (ds,) = slices(1, 16, columns, orientation=(0, 1, 0, 0, 0, -1))
        ds.SOPInstanceUID = f"{ROOT}.1.9.{number}"
        parts.append(ds)
    (record,) = find_series(write(parts, tmp_path))
    assert [(f.code, f.message[:2]) for f in record.findings] == [("localizer_set_aside", "2 "), ("stray_slices", "1 ")]


def test_one_unreadable_image_file_beside_a_sound_one(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(sitk.GetImageFromArray(anatomy(12, 16, 20)), str(tmp_path / "sound.nrrd"))
    (tmp_path / "broken.nrrd").write_bytes(b"NRRD0004\nnothing of use\n\n")
    (record,) = find_series(tmp_path)
    assert record.description == "sound.nrrd"
    for path in (tmp_path / "broken.nrrd", _alone(tmp_path)):
        with pytest.raises(ExamError) as e:
            find_series(path)
        assert e.value.code == "undecodable"


def _alone(folder: Path) -> Path:
    (folder / "alone").mkdir()
    (folder / "alone" / "broken.nrrd").write_bytes((folder / "broken.nrrd").read_bytes())
    return folder / "alone"


@pytest.mark.parametrize(
    ("keyword", "value", "problem"),
    [
        ("PatientSex", "M", "mixed_patients"), ("Manufacturer", "GE", "mixed_acquisitions"), ("BitsStored", 17, "bad_matrix"),
        ("BitsStored", 0, "bad_matrix"), ("BitsStored", 16, ""), ("RescaleIntercept", 1e6, "rescale"), ("RescaleSlope", -2e6, "rescale"),
        ("RescaleType", "US", "mixed_acquisitions"), ("PixelSpacing", [0.8, 0.70001], "mixed_matrix"), ("PixelSpacing", [0.7, 0.8], "mixed_matrix"),
        ("SliceThickness", "2.50", ""), ("ImageOrientationPatient", [1, 0, 0, 0.0009, 1, 0], ""),
        ("ImageOrientationPatient", [1, 0.0011, 0, -0.0011, 1, 0], "mixed_orientation"), ("PhotometricInterpretation", "MONOCHROME1", ""),
        ("PhotometricInterpretation", "PALETTE COLOR", "not_grey"), ("NumberOfFrames", 2, "truncated"),
    ],
)  # fmt: skip
def test_one_slice_that_differs(keyword: str, value: Any, problem: str, tmp_path: Path) -> None:
    parts = slices(12, 16, 20)
    setattr(parts[6], keyword, value)
    (record,) = find_series(write(parts, tmp_path))
    assert record.problem == problem


@pytest.mark.parametrize(("missing", "problem"), [(0, ""), (1, "truncated"), (2, "truncated")])
def test_a_file_one_byte_too_short(missing: int, problem: str, tmp_path: Path) -> None:
    (path, *_) = sorted(write(slices(12, 16, 20), tmp_path).iterdir())
    path.write_bytes(path.read_bytes()[: path.stat().st_size - missing])
    assert find_series(tmp_path)[0].problem == problem


def notes(record: SeriesRecord) -> list[str]:
    """What the checks of the geometry noticed."""
    return [] if record.stack is None else [f.code for f in record.stack.findings]


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        (range(1, 13), ""), (range(12, 0, -1), ""), ([5] * 12, ""), ([None, *range(2, 13)], ""),
        ([None, 3, 2, *range(4, 13)], ""), ([*range(1, 7), *range(1, 7), 40], "refused"),
        ([*range(1, 12), 11], "instance_order"),  # counted twice once, but never against the order
        ([*range(1, 5)] * 3, "instance_order"), ([*range(1, 7), *range(1, 6), 7], "refused"), ([1, 3, 2, *range(4, 13)], "refused"),
        ([n for i in range(4) for n in (i, 4 + i, 8 + i)], "instance_order"), ([n for i in range(6) for n in (i, 6 - i)], "refused"),
        ([1, 4, 2, 5, 3, 7, 4, 8, 5, 9, 6, 11], "refused"),  # two turns, of which one leaps
        ([*range(1, 9), 1, 2, 3, 4], "refused"),
    ],
)  # fmt: skip
def test_instance_numbers_against_positions(numbers: Sequence[int | None], found: str, tmp_path: Path) -> None:
    parts = slices(len(numbers), 16, 20)
    for part, number in zip(parts, numbers, strict=True):
        part.InstanceNumber = number
    (record,) = find_series(write(parts, tmp_path))
    assert record.problem == ("instance_order" if found == "refused" else "")
    assert notes(record) == ([found] if found == "instance_order" else [])


@pytest.mark.parametrize(("count", "stray"), [(3, True), (4, False)])
def test_more_than_three_beyond_an_end_are_a_series_of_their_own(count: int, stray: bool, tmp_path: Path) -> None:
    parts = slices(12, 16, 20)
    x, y, z = parts[0].ImagePositionPatient
    more = slices(count, 16, 20, series="8", origin=(x, y, z - count * 2.5))
    record = next(r for r in find_series(write([*parts, *more], tmp_path)) if r.slice_count == 12)
    assert [f.code for f in record.findings] == ["stray_slices"] * stray
    if stray:
        assert record.findings[0].message.startswith("3 image")


# --- parting and choosing


def test_parts_are_three_slices_or_more() -> None:
    def found(*sizes: int) -> list[int]:
        items = [{"KVP": str(kind), "place": str(n)} for kind, size in enumerate(sizes) for n in range(size)]
        parts = parts_of(items, lambda item, name: item.get(name, ""), lambda part: len({i["KVP"] for i in part}) == 1)
        return [len(part.items) for part in parts]

    assert found(3, 3) == [3, 3]
    assert found(3, 2) == []
    assert found(9, 4, 3) == [9, 4, 3]
    assert found(3, 3, 2) == []
    assert found(8) == []
    # What has a value of its own in each slice is nobody's set.
    items = [{"KVP": str(n // 6), "ReconstructionDiameter": str(n)} for n in range(12)]
    parts = parts_of(items, lambda item, name: item.get(name, ""), lambda part: len({i["KVP"] for i in part}) == 1)
    assert [(part.by, part.values, len(part.items)) for part in parts] == [(("KVP",), ("0",), 6), (("KVP",), ("1",), 6)]


@pytest.mark.parametrize(
    ("by", "value", "order"),
    [
        ("NominalPercentageOfCardiacPhase", 70.0, 5.0), ("NominalPercentageOfCardiacPhase", (79.0,), 4.0), ("AcquisitionNumber", (3.0,), 3.0),
        ("AcquisitionNumber", 1, 1.0), ("SeriesDescription", "b", 0.0),
    ],
)  # fmt: skip
def test_the_part_nearest_to_diastole_or_acquired_first_is_read_first(by: str, value: Any, order: float) -> None:
    assert Part((), (by,), (value,)).order == order


def test_one_even_volume_is_parted_by_acquisition_and_not_by_words(tmp_path: Path) -> None:
    parts = slices(12, 16, 20)
    for number, part in enumerate(parts):
        part.InstanceNumber = number // 2 + 1 + 6 * (number % 2)
        part.SeriesDescription = "ab"[number % 2]
    (record,) = find_series(write(parts, tmp_path))
    assert (record.suitable, record.slice_count, notes(record)) == (True, 12, ["instance_order"])


def series(uid: str, count: int = 100, increment: float | None = 2.5, **changes: Any) -> SeriesRecord:
    made = SeriesRecord(uid, "1", "CT", Kind.AXIAL, "", "B30f", count, (), increment_mm=increment)
    attributes = {"KVP": "120", "Manufacturer": "SIEMENS", **changes.pop("attributes", {})}
    return dataclasses.replace(made, attributes=attributes, **changes)


def _found(code: str) -> dict[str, Any]:
    return {"findings": (Finding(code, Severity.WARNING, "."),)}


CHOICES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "suitable": ({"attributes": {"BodyPartExamined": "HEAD"}}, {"suitable": False, "reason": "x"}, "x"),
    "body part": (_found("computed_map"), {"attributes": {"BodyPartExamined": "head"}}, "another part of the body"),
    "computed": ({"image_type": "DERIVED\\PRIMARY"}, _found("computed_map"), "computed map"),
    "derived": ({"attributes": {"ContrastBolusAgent": "IV"}}, {"image_type": "derived\\PRIMARY"}, "reformatted"),
    "contrast": (_found("monoenergetic"), {"attributes": {"ContrastBolusAgent": "IV"}}, "contrast agent"),
    "virtual": ({"count": 79}, _found("monoenergetic"), "monoenergetic"),
    "whole chest": ({"attributes": {"KVP": "80"}, "count": 80}, {"count": 79}, "less than the whole chest"),
    "voltage": (
        {"attributes": {"KVP": "110"}, "kernel": "B70f"},
        {"attributes": {"KVP": "131"}},
        "farther from 120 kVp",
    ),
    "lower voltage": ({"attributes": {"KVP": "130"}}, {"attributes": {"KVP": "109"}}, "farther from 120 kVp"),
    "kernel": ({"count": 50, "increment": 5.0}, {"kernel": "B50f"}, "sharper"),
    "increment": ({"count": 80, "increment": 3.0}, {"count": 200, "increment": 1.9}, "farther from 2.5 mm"),
    "slices": ({"count": 101}, {"order": -1.0}, "nothing better"),
    "order": ({"order": 1.0}, {"order": 2.0}, "nothing better"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_each_reason_to_choose_outweighs_those_behind_it(name: str) -> None:
    """The better one is worse in the next respect, and its UID comes later."""
    better, worse, reason = CHOICES[name]
    records = rank([series("1.1", **worse), series("1.2", **better)])
    assert [r.series_uid for r in records] == ["1.2", "1.1"]
    assert reason in records[1].reason


@pytest.mark.parametrize(
    ("count", "increment", "suitable"),
    [(8, 2.5, True), (8, 2.49, False), (3, 10.0, True), (2, 30.0, False), (3, 6.6, False)],
)
def test_how_little_may_hold_a_heart(count: int, increment: float, suitable: bool) -> None:
    assert rank([series("1", count, increment)])[0].suitable is suitable


# --- what is looked at


@pytest.mark.parametrize(("z", "depth", "spacing"), [(30, 60, 1.25), (30, 60, 1.3), (3, 60, 2.5), (58, 60, 0.625), (10, 30, 5.0), (10, 30, 5.1), (10, 30, 8.0), (30, 60, 1.1), (10, 30, 12.0)])  # fmt: skip
def test_the_slices_that_a_centre_needs(z: int, depth: int, spacing: float) -> None:
    """Two to either side, as many more as 5 mm hold and at least one; and every 4 mm within 30 mm."""
    more = {12.0: 1, 1.1: 4, 1.25: 4, 1.3: 3, 2.5: 2, 0.625: 8, 5.0: 1, 5.1: 1, 8.0: 1}[spacing]
    step = {12.0: 1, 1.1: 4, 1.25: 3, 1.3: 3, 2.5: 2, 0.625: 6, 5.0: 1, 5.1: 1, 8.0: 1}[spacing]
    half = {12.0: 2, 1.1: 27, 1.25: 24, 1.3: 23, 2.5: 12, 0.625: 48, 5.0: 6, 5.1: 6, 8.0: 4}[spacing]
    near = set(range(z - 2 - more, z + 3 + more))
    ball = {z + step * n for n in range(-60, 60) if abs(step * n) <= half}
    assert slices_needed(z, depth, spacing) == tuple(sorted(n for n in near | ball if 0 <= n < depth))


def test_only_the_slices_of_a_prediction_are_kept() -> None:
    volume = CTVolume(np.full((9, 3, 4), 7, np.int16), (1.0, 1.0, 1.0), (0, 0, 0), np.eye(3), "1")
    for z, kept in ((4, [2, 3, 4, 5, 6]), (0, [0, 1, 2]), (8, [6, 7, 8]), (-9, []), (99, [])):
        found = thin(volume, z)
        assert np.flatnonzero(found.hu.any(axis=(1, 2))).tolist() == kept
        assert found.shape_zyx == volume.shape_zyx


# --- findings


def thorax(depth: int = 13, spacing: tuple[float, float, float] = (1.4, 1.5, 2.5), **attributes: str) -> CTVolume:
    """A noiseless chest [depth, 240, 250] with a heart of 40 HU around (125, 115) between two lungs."""
    y, x = np.ogrid[0:240, 0:250]
    hu = np.full((depth, 240, 250), -1000, np.int16)
    hu[:, ((x - 125) / 115) ** 2 + ((y - 120) / 78) ** 2 < 1] = 40
    for side in (-1, 1):
        hu[:, ((x - 125 - side * 62) / 40) ** 2 + ((y - 120) / 60) ** 2 < 1] = -850
    hu[:, ((x - 125) / 40) ** 2 + ((y - 115) / 38) ** 2 < 1] = 40
    known = {
        "Modality": "CT",
        "KVP": "120",
        "ConvolutionKernel": "B30f",
        "Manufacturer": "SIEMENS",
        "SliceThickness": "2.5",
    }
    return CTVolume(hu, spacing, (0, 0, 0), np.eye(3), "1", known | attributes)


def codes(findings: Sequence[Finding]) -> set[str]:
    return {f.code for f in findings}


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"SliceThickness": "3.0009"}, "thick_slices", False), ({"SliceThickness": "3.002"}, "thick_slices", True),
        ({"SliceThickness": "", "spacing": (1.4, 1.5, 3.002)}, "thick_slices", True),
        ({"SliceThickness": "2", "spacing": (1.4, 1.5, 5.0)}, "thick_slices", False),
        ({"KVP": "100"}, "kvp", False), ({"KVP": "99.9"}, "kvp", True), ({"KVP": "140"}, "kvp", False), ({"KVP": "140.1"}, "kvp", True),
        ({"depth": 80}, "partial_coverage", False), ({"depth": 79}, "partial_coverage", True),
        ({"depth": 79, "spacing": (1.4, 1.5, 2.54)}, "partial_coverage", False),
    ],
)  # fmt: skip
def test_limits_of_the_scan(changes: dict[str, Any], code: str, said: bool) -> None:
    assert (code in codes(check_volume(thorax(**changes), pixels=False))) is said


@pytest.mark.parametrize(("cut", "said"), [(9, False), (10, True)])
@pytest.mark.parametrize("edge", ["top", "bottom", "left", "right"])
def test_fifteen_per_cent_of_the_outline_cut_the_body(cut: int, edge: str, said: bool) -> None:
    """Of 64 pixels looked at along the four edges of 64 x 64 pixels, 9 are 14 % and 10 are 15.6 %."""
    hu = np.full((1, 64, 64), -1000, np.int16)
    view = {"top": hu[0], "bottom": hu[0, ::-1], "left": hu[0].T, "right": hu[0].T[::-1]}[edge]
    view[0, 8 : 8 + 4 * cut] = 40
    volume = CTVolume(hu, (4.0, 5.0, 300.0), (0, 0, 0), np.eye(3), "1", thorax().attributes)
    assert ("truncated_fov" in codes(check_volume(volume))) is said


@pytest.mark.parametrize(("deviation", "said"), [(40, False), (41, True)])
def test_noise_over_40_hu(deviation: int, said: bool) -> None:
    volume = thorax()
    y, x = np.ogrid[0:240, 0:250]
    volume.hu[volume.hu == 40] += np.broadcast_to(np.where((x + y) % 2, deviation, -deviation), volume.hu.shape)[
        volume.hu == 40
    ].astype(np.int16)
    assert codes(check_centre(volume, (125, 115, 6), patch=(11, 11, 3))) == ({"noise"} if said else set())


@pytest.mark.parametrize(("blood", "said"), [(100, False), (101, True)])
def test_blood_over_100_hu_is_as_with_contrast(blood: int, said: bool) -> None:
    volume = thorax()
    volume.hu[:, 60:170, 80:170][volume.hu[:, 60:170, 80:170] == 40] = blood
    assert codes(check_centre(volume, (125, 115, 6), patch=(11, 11, 3))) == ({"contrast_suspected"} if said else set())
    known = dataclasses.replace(volume, attributes={**volume.attributes, "ContrastBolusAgent": "IV"})
    assert codes(check_centre(known, (125, 115, 6), patch=(11, 11, 3))) == set()


@pytest.mark.parametrize(
    ("centre", "fits"),
    [
        ((10, 120, 6), True), ((9, 120, 6), False), ((239, 120, 6), True), ((240, 120, 6), False), ((125, 7, 6), True), ((125, 6, 6), False),
        ((125, 232, 6), True), ((125, 233, 6), False), ((125, 115, 1), True), ((125, 115, 0), False), ((125, 115, 11), True), ((125, 115, 12), False),
    ],
)  # fmt: skip
def test_patch_and_region_fit_to_the_last_voxel(centre: tuple[int, int, int], fits: bool) -> None:
    small = (1, 1, 1)
    found = codes(check_centre(thorax(), centre, patch=(21, 15, 3), region=small))
    assert (("patch_outside" in found), ("region_outside" in found)) == (not fits, False)
    found = codes(check_centre(thorax(), centre, patch=small, region=(21, 15, 3)))
    assert (("patch_outside" in found), ("region_outside" in found)) == (False, not fits)


# --- pixels


def contents(count: int, step: float, stranger: float = 0.0, where: int = 4) -> Contents:
    """Slices whose upper half rises by 2 ``step`` from each to the next; one with its lower half changed by twice ``stranger``."""
    kept = Contents(count, 8, 10)
    for z in range(count):
        hu = np.tile(np.linspace(-50, 50, 10, dtype=np.float32), (8, 1)) - 400
        hu[:4] += 2 * step * z
        if z == where:
            hu[4:] += 2 * stranger
        kept.note(z, hu)
    return kept


def jump(kept: Contents) -> str:
    try:
        kept.check()
    except ExamError as e:
        return e.code
    return ""


@pytest.mark.parametrize(
    ("step", "stranger", "code"),
    [
        (5, 54.9, ""), (5, 55.1, "slice_jump"),  # 60 HU from both neighbours
        (20, 99.9, ""), (20, 100.1, "slice_jump"),  # three times what these differ by
    ],
)  # fmt: skip
def test_a_slice_unlike_both_its_neighbours(step: float, stranger: float, code: str) -> None:
    assert jump(contents(9, step, stranger)) == code
    if code:
        with pytest.raises(ExamError, match="Slice 5 "):
            contents(9, step, stranger).check()
    # In five slices there is too little to compare with.
    assert jump(contents(6, step, stranger)) == code
    assert jump(contents(5, step, stranger, 2)) == ""


@pytest.mark.parametrize(("step", "size", "code"), [(5, 99.9, ""), (5, 100.1, "slice_jump"), (20, 159.9, ""), (20, 160.1, "slice_jump")])  # fmt: skip
def test_a_jump_of_eight_times_the_usual_one(step: float, size: float, code: str) -> None:
    kept = Contents(9, 8, 10)
    for z in range(9):
        level = step * z + (size - step if z > 5 else 0)
        kept.note(z, np.tile(np.linspace(-50, 50, 10, dtype=np.float32), (8, 1)) - 300 + np.float32(level))
    assert jump(kept) == code


def test_a_blank_slice_among_others() -> None:
    for blank, code in ((1, "blank_slice"), (3, "blank_slice"), (4, "")):
        kept = Contents(8, 8, 10)
        for z in range(8):
            kept.note(z, np.full((8, 10), 0.0) if z < blank else np.tile(np.arange(10.0), (8, 1)))
        assert jump(kept) == code, blank


@pytest.mark.parametrize(
    ("corners", "value", "found"),
    [(1, 1000, 0), (2, 1000, 2), (2, 999, 0), (1, 32767, 0), (1, 32768, 1), (4, 2000, 4)],
)  # fmt: skip
def test_bright_corners_are_padding(corners: int, value: int, found: int) -> None:
    hu = np.arange(30, dtype=np.float32).reshape(1, 5, 6)
    hu[0, 2, 2] = value  # inside, it is metal
    for y, x in [(0, 0), (0, -1), (-1, 0), (-1, -1)][:corners]:
        hu[0, y, x] = value
    mask = padding_in_hu((), 1.0, 0.0).tagged(hu)
    assert (0 if mask is None else int(mask.sum())) == found
    # Where unused bits may hold an overlay, one value beyond says nothing.
    mask = padding_in_hu((), 1.0, 0.0, unsigned_bits=12).tagged(hu)
    assert (0 if mask is None else int(mask.sum())) == (found if corners > 1 else 0)


@pytest.mark.parametrize(
    ("tags", "sure"),
    [((24,), True), ((25,), False), ((0, 24), True), ((0, 25), False), ((33791,), False), ((33792,), True)],
)
def test_a_tag_is_sure_where_no_tissue_or_metal_can_lie(tags: tuple[int, ...], sure: bool) -> None:
    """Stored values with an intercept of -1024: 24 is -1000 HU, 33791 is 32767."""
    rule = padding_in_hu(tags, 1.0, -1024.0, unsigned_bits=16)
    assert rule.ranges == ((min(tags) - 1024, max(tags) - 1024, sure),)
    hu = np.zeros((5, 6), np.float32)
    hu[2, 3] = tags[-1] - 1024
    mask = rule.tagged(hu)
    assert (mask is not None and bool(mask[2, 3])) is sure


def test_the_rule_in_stored_values() -> None:
    rule = Padding(-1500.0, 1000.0, 32767.0, ((-1100.0, -1050.0, True),)).in_stored(2.0, -1024.0)
    assert (rule.low, rule.bright, rule.beyond, rule.ranges) == (-238.0, 1012.0, 16895.5, ((-38.0, -13.0, True),))
    values = np.array([[-239, -238, -237]], np.int16)
    below = rule.below(values)
    assert below is not None
    assert below.tolist() == [[True, True, False]]
    assert rule.below(np.array([[-237, 5]], np.int16)) is None
    # A value that lost its upper bits is padding as well, but never for sure.
    lost = padding_in_hu((63536,), 1.0, -1024.0, unsigned_bits=12)
    assert lost.ranges == ((62512.0, 62512.0, True), (2096.0 - 1024, 2096.0 - 1024, False))
    dark = padding_in_hu((0xF00A,), 1.0, -1024.0, unsigned_bits=12)
    assert dark.ranges[1] == (-1014.0, -1014.0, False)


def test_a_sound_series_of_different_sizes_is_read_as_it_is(tmp_path: Path) -> None:
    (record,) = find_series(write(slices(11, 20, 28, seed=3), tmp_path))
    volume = read_volume(record)
    assert (volume.shape_zyx, volume.spacing_mm) == ((11, 20, 28), (0.7, 0.8, 2.5))
    np.testing.assert_array_equal(volume.hu, anatomy(11, 20, 28, 3))
