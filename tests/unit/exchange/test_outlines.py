"""What reports draw on the images, rasterised and compared pixel for pixel with the images themselves."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.dataset import Dataset
from scipy import ndimage

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.outline import one_outline, outline, outlines
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.segmentation import COUNTED, read_segmentation, segmentation
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.measurement import measure
from tests.helpers import dicom_series

EIGHT = np.ones((3, 3))
ROWS, COLUMNS, COUNT = 80, 97, 12
LESIONS = [
    [(5, y, x, 320) for y in range(40, 44) for x in range(52, 57)],
    [(5, y, 44, 210) for y in range(40, 47)] + [(5, 46, x, 210) for x in range(45, 49)],  # a corner beside it
    [(6, 50 + n, 44 + n, 450 + n) for n in range(6)],  # touches itself at corners only
    [(6, y, x, 260) for y in range(36, 41) for x in range(60, 66) if (y, x) not in ((38, 62), (38, 63))],  # a hole
    [(7, 50, 41, 300), (7, 50, 42, 135)],
]


def inside(polygon: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Pixels [row, column] whose middles lie in a closed polygon of corners (column, row), by counting crossings."""
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    crossed = np.zeros((rows, columns), int)
    for (x0, y0), (x1, y1) in itertools.pairwise(polygon):
        assert x0 == x1 or y0 == y1, "outlines follow the pixels' edges"
        if x0 == x1:
            crossed += (min(y0, y1) < y) & (y < max(y0, y1)) & (x0 > x)
    return crossed % 2 == 1


def signed_area(polygon: np.ndarray) -> float:
    """In pixels, positive where the polygon runs clockwise on screen."""
    x, y = polygon.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def drawn(*rows: str) -> np.ndarray:
    return np.array([[sign == "#" for sign in row] for row in rows])


def filled(mask: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.binary_fill_holes(mask))


@settings(max_examples=120, deadline=None)
@example(drawn("#####", "#.#.#", "#####"))
@example(
    drawn("#####", "#...#", "#.#.#", "#..##", "#####")
)  # the hole touches itself at a corner, around a pixel of the lesion
@example(drawn("#######", "#...#.#", "#.####.", "#.#.#.#", "#######"))
@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 9))).filter(np.any))
def test_an_outline_holds_the_component_and_nothing_else(mask: np.ndarray) -> None:
    labels, _ = ndimage.label(mask, EIGHT)
    component = labels == labels[mask][-1]
    points = outline(component)
    assert (points[0] == points[-1]).all()
    np.testing.assert_array_equal(inside(points + 0.5, *mask.shape), filled(component))
    # Clockwise on screen, where y points down.
    assert signed_area(points) == filled(component).sum()
    # Corners only: no two steps the same way.
    steps = np.sign(np.diff(points, axis=0))
    assert not (steps[:-1] == steps[1:]).all(axis=1).any()
    # Holes are outlined the other way round, each by itself, and one polygon with cuts to them says the same.
    first, *holes = outlines(component)
    np.testing.assert_array_equal(first, points)
    assert len(holes) == ndimage.label(filled(component) & ~component)[1]
    left = filled(component)
    for hole in holes:
        pixels = inside(hole + 0.5, *mask.shape)
        assert signed_area(hole) == -pixels.sum() < 0
        assert (left & pixels).sum() == pixels.sum()
        left &= ~pixels
    np.testing.assert_array_equal(left, component)
    whole = one_outline(component)
    assert (whole[0] == whole[-1]).all()
    assert (np.abs(np.diff(whole, axis=0)) > 0).sum(axis=1).tolist() == [1] * (len(whole) - 1)
    np.testing.assert_array_equal(inside(whole + 0.5, *mask.shape), component)
    assert signed_area(whole) == component.sum()
    # A cut runs along the component's own pixels, not through a hole.
    padded = np.pad(component, 1)
    for (x0, y0), (x1, y1) in itertools.pairwise((whole + 1.5).astype(int).tolist()):
        for x in range(min(x0, x1), max(x0, x1)):
            assert padded[y0 - 1, x] or padded[y0, x]
        for y in range(min(y0, y1), max(y0, y1)):
            assert padded[y, x0 - 1] or padded[y, x0]


def test_nothing_has_no_outline() -> None:
    with pytest.raises(ValueError, match="empty"):
        outline(np.zeros((3, 4), bool))


def exam(folder: Path, orientation: Sequence[float]) -> Path:
    made = dicom_series.slices(COUNT, ROWS, COLUMNS, orientation=orientation)
    for lesion in LESIONS:
        for z, y, x, hu in lesion:
            pixels = np.frombuffer(made[z].PixelData, np.uint16).reshape(ROWS, COLUMNS).copy()
            pixels[y, x] = hu + 1024
            made[z].PixelData = pixels.tobytes()
    return dicom_series.write(made, folder)


def stored_images(folder: Path) -> dict[str, np.ndarray]:
    """HU [row, column] of each image as it is stored, by its UID."""
    found = map(pydicom.dcmread, folder.iterdir())
    return {ds.SOPInstanceUID: ds.pixel_array.astype(int) - 1024 for ds in found}


def regions(sr: Dataset) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name of the group, UID of the image, and polygon (column, row) of each image region."""
    (measurements,) = [i for i in sr.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010"]
    for group in measurements.ContentSequence:
        for item in group.ContentSequence:
            if item.ValueType == "SCOORD":
                image = item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
                name = group.ContentSequence[0].TextValue
                yield name, image, np.asarray(item.GraphicData, float).reshape(-1, 2)


WAYS = {
    "usual": (1, 0, 0, 0, 1, 0),
    "prone": (-1, 0, 0, 0, -1, 0),
    "turned": (0, 1, 0, -1, 0, 0),
}


@pytest.mark.parametrize("orientation", WAYS.values(), ids=WAYS)
def test_every_lesion_and_the_region_pixel_for_pixel(orientation: Sequence[float], tmp_path: Path) -> None:
    """Two lesions in a slice, a hole, corners, and a matrix that is not square; expected from the stored pixels alone."""
    folder = exam(tmp_path / "exam", orientation)
    record = find_series(folder)[0]
    volume = read_volume(record)
    z, y, x = np.argwhere(volume.hu == 455)[0].tolist()  # the last pixel of the third lesion
    report = Report(record, volume, measure(volume, (x, y, z), 2.0, None), patch_xyz=(41, 31, 3))
    assert len(report.measurement.scores.lesions) == len(LESIONS)
    source = source_images(record, volume)
    seg = segmentation(report, source)
    sr = structured_report(report, source, seg)
    images = stored_images(folder)
    outlined = {uid: np.zeros((ROWS, COLUMNS), bool) for uid in images}
    boxes = {uid: np.zeros((ROWS, COLUMNS), bool) for uid in images}
    patches: dict[str, np.ndarray] = {}
    for name, uid, polygon in regions(sr):
        mask = inside(polygon, ROWS, COLUMNS)
        if name == "Score region":
            boxes[uid] |= mask
            continue
        if name == "Grade and risk":
            patches[uid] = mask
            continue
        labels, _ = ndimage.label(images[uid] >= 130, EIGHT)
        component = labels == labels[mask & (labels > 0)][0]
        np.testing.assert_array_equal(mask, component, name)
        assert not (outlined[uid] & mask).any()
        outlined[uid] |= mask
    for uid, hu in images.items():
        np.testing.assert_array_equal(outlined[uid], hu >= 130)
    # The region is 65 x 65 voxels in five slices around the centre, cut at the volume's border.
    wanted = np.zeros(volume.shape_zyx, bool)
    wanted[max(0, z - 2) : z + 3, max(0, y - 32) : y + 33, max(0, x - 32) : x + 33] = True
    assert sum(mask.sum() for mask in boxes.values()) == wanted.sum()
    heights = {ds.SOPInstanceUID: ds for ds in map(pydicom.dcmread, folder.iterdir())}
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    # The patch on the slice of the centre alone.
    assert [(uid, mask.sum()) for uid, mask in patches.items()] == [(source.slices[z].sop_instance_uid, 41 * 31)]
    within = np.zeros(volume.shape_zyx, bool)
    within[:, y - 15 : y + 16, x - 20 : x + 21] = True
    for uid, mask, wanted_there in [(*box, wanted) for box in boxes.items()] + [
        (*box, within) for box in patches.items()
    ]:
        for r, c in np.argwhere(mask)[:: max(1, mask.sum() // 7)].tolist():
            place = np.array(heights[uid].ImagePositionPatient, float) + row * 0.7 * c + column * 0.8 * r
            i, j, k = volume.mm_to_voxel(tuple(place))
            assert wanted_there[k, j, i]
    # The segmentation says the same on the stored pixels, frame by frame, and comes back on the volume.
    (named,) = seg.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence
    assert named.ReferencedSegmentNumber == 1
    seen = 0
    frames = np.atleast_3d(seg.pixel_array)
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        uid = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        np.testing.assert_array_equal(frame.astype(bool), outlined[uid])
        assert list(group.PlanePositionSequence[0].ImagePositionPatient) == list(heights[uid].ImagePositionPatient)
        seen += int(frame.sum())
    assert seen == sum(map(len, LESIONS))
    (path,) = (tmp_path / "seg.dcm",)
    path.write_bytes(dicom_bytes(seg))
    back = read_segmentation(path)
    counted = back.masks(source)[COUNTED]
    np.testing.assert_array_equal(counted, volume.hu >= 130)
    # Positions are decimal text; what lies farther off is on no image of this exam.
    for off, fits in ((0.009, True), (0.011, False)):
        frames = tuple((number, (*place[:2], place[2] + off), mask) for number, place, mask in back.frames)
        if fits:
            np.testing.assert_array_equal(dataclasses.replace(back, frames=frames).masks(source)[COUNTED], counted)
        else:
            with pytest.raises(ExamError, match="another exam"):
                dataclasses.replace(back, frames=frames).masks(source)


def test_a_drawn_box_and_the_slices_around_the_centre_are_both_evidence(tmp_path: Path) -> None:
    """The risk's patch and its clicks need two slices to either side of the centre, wherever the box lies."""
    folder = exam(tmp_path / "exam", WAYS["usual"])
    record = find_series(folder)[0]
    volume = read_volume(record)
    box = Region((30, 20, -2), (70, 60, 2))
    report = Report(record, volume, measure(volume, (50, 40, 8), 1.0, None, box=box))
    source = source_images(record, volume)
    sr = structured_report(report, source)
    named = {
        ref.ReferencedSOPInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for ref in series.ReferencedSOPSequence
    }
    assert named == {source.slices[z].sop_instance_uid for z in (0, 1, 6, 7, 8, 9, 10)}
    path = tmp_path / "report.dcm"
    path.write_bytes(dicom_bytes(sr))
    back = read_report(path)
    assert (back.drawn, back.region_start, back.region_size) == (True, (30, 20, -2), (40, 40, 4))
    assert back.centre == (50, 40, 8)
    outlines = [polygon for name, _, polygon in regions(sr) if name == "Score region"]
    assert len(outlines) == 2
    for polygon in outlines:
        mask = inside(polygon, ROWS, COLUMNS)
        assert mask.sum() == 1600
        assert mask[20:60, 30:70].all()
