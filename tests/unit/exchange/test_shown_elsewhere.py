"""What other viewers need of the structured report and the segmentation, each rule by itself; and reports of earlier versions."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.calcium import NO_MARKS, HeartMarks, score_whole_heart
from hyrisk_desktop.comparison import Change, Comparison
from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange.exports import Targets, write_exports
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.outline import outline
from hyrisk_desktop.exchange.reports.report import Report, risk_rows
from hyrisk_desktop.exchange.reports.segmentation import REGION, read_segmentation, segmentation
from hyrisk_desktop.exchange.reports.source_images import prior_image, source_images
from hyrisk_desktop.exchange.reports.sr_regions import image_region
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.exchange.restoring import restore
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.imaging.registration import Registration
from hyrisk_desktop.measurement import mark_heart, measure
from tests.helpers import dicom_series, readings
from tests.helpers.hearts import heart_of
from tests.unit.exchange.conftest import Judge

OLDER = Path(__file__).parent / "older"
SQUARE, DIAGONAL = (52, 40, 5), (49, 55, 6)
VESSELS = ["Vessel LAD", "Vessel RCA"]


@pytest.fixture(scope="module")
def whole(reading: Report) -> Report:
    """The reading with the whole heart, two plaques of which are vessels'; the risk is there, too."""
    m = reading.measurement
    heart = score_whole_heart(reading.volume, heart_of(reading.volume, centre=m.centre))
    marks = HeartMarks(taken=((DIAGONAL, "LAD"), (SQUARE, "RCA")), excluded=frozenset({(61, 60, 7)}))
    marked = dataclasses.replace(m, whole_heart=mark_heart(heart, marks, [(62, 60, 7)]))
    # A patch that fits into the small exam, so that its outline is not the image's border.
    return dataclasses.replace(reading, measurement=marked, patch_xyz=(41, 31, 3))


@pytest.fixture(scope="module")
def objects(whole: Report) -> tuple[Dataset, Dataset]:
    """SR and SEG of it."""
    source = source_images(whole.record, whole.volume)
    seg = segmentation(whole, source)
    return structured_report(whole, source, seg), seg


def concept(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def groups(sr: Dataset) -> dict[str, Dataset]:
    """Measurement groups by tracking identifier, in their order."""
    (container,) = [i for i in sr.ContentSequence if concept(i) == "126010"]
    return {
        next(i.TextValue for i in g.ContentSequence if concept(i) == "112039"): g for g in container.ContentSequence
    }


def regions(group: Dataset) -> list[Dataset]:
    return [i for i in group.ContentSequence if i.ValueType == "SCOORD"]


def numbers(group: Dataset) -> Iterator[tuple[str, str]]:
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            yield concept(item), str(item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue)


def test_every_group_has_an_image_region_and_none_shares_its_outline(objects: tuple[Dataset, Dataset]) -> None:
    found = groups(objects[0])
    assert list(found) == [
        "Score region",
        "Grade and risk",
        "Whole heart",
        *VESSELS,
        "Lesion 1",
        "Lesion 2",
        "Lesion 3",
    ]
    outlines = []
    for name, group in found.items():
        assert regions(group), name
        assert not any(i.ValueType == "IMAGE" for i in group.ContentSequence), "no group of a segment alone"
        for region in regions(group):
            image = region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            outlines.append((image, tuple(region.GraphicData)))
            points = np.reshape(region.GraphicData, (-1, 2))
            assert points[0].tolist() == points[-1].tolist()
            assert len(points) > 5, "four or five are another tool's to OHIF"
            assert len(points) == 9 or name.startswith("Lesion")
    assert len(set(outlines)) == len(outlines), "what has one outline is printed over each other"


def test_a_rectangle_gets_points_between_its_corners_and_keeps_its_shape(whole: Report) -> None:
    source = source_images(whole.record, whole.volume)
    for width, height, count in ((1, 1, 7), (1, 4, 9), (4, 1, 7), (3, 2, 9)):
        mask = np.zeros((20, 30), bool)
        mask[5 : 5 + height, 7 : 7 + width] = True
        x, y = np.reshape(image_region(source, 3, outline(mask)).GraphicData, (-1, 2)).T
        assert len(x) == count
        assert (x[0], y[0]) == (x[-1], y[-1])
        assert abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2 == width * height
        assert (x.min(), x.max(), y.min(), y.max()) == (7, 7 + width, 5, 5 + height)
        # None on the middle of a row of pixels.
        assert not np.any(y % 1)


def test_a_viewer_prints_few_numbers_for_grade_and_risk_and_units_that_mean_something(
    objects: tuple[Dataset, Dataset], reading: Report
) -> None:
    sr = objects[0]
    found = groups(sr)
    ends = (c.LOWEST.value, c.HIGHEST.value)
    printed = [(c.GRADE.value, "{score}"), (c.HYRISKNET.value, "%"), *((end, "%") for end in ends)]
    assert list(numbers(found["Grade and risk"])) == printed
    (more,) = [i for i in sr.ContentSequence if concept(i) == c.FURTHER.value]
    assert {unit for _, unit in numbers(more)} == {"%"}
    rest = (c.PREVALENCE, c.RISKNET, c.PERCENTILE, *c.BY_GRADE)
    assert [code for code, _ in numbers(more)] == [code.value for code in rest]
    units = {unit for group in found.values() for _, unit in numbers(group)}
    assert units == {"{score}", "%", "mm3", "mm2", "[hnsf'U]"}
    alone = dataclasses.replace(reading.measurement, grade=None, risk=None)
    without = structured_report(
        dataclasses.replace(reading, measurement=alone), source_images(reading.record, reading.volume)
    )
    assert "Grade and risk" not in groups(without)
    ungraded = dataclasses.replace(reading.measurement, grade=None)
    image_alone = structured_report(
        dataclasses.replace(reading, measurement=ungraded), source_images(reading.record, reading.volume)
    )
    assert c.GRADE.value not in dict(numbers(groups(image_alone)["Grade and risk"]))


def test_a_horizon_is_said_or_that_there_is_none(reading: Report, tmp_path: Path) -> None:
    risk = reading.measurement.risk
    assert risk is not None
    for horizon, said in ((None, "none: the training data state no time"), ("6 years", "6 years")):
        m = dataclasses.replace(reading.measurement, risk=dataclasses.replace(risk, horizon=horizon))
        report = dataclasses.replace(reading, measurement=m)
        sr = structured_report(report, source_images(report.record, report.volume))
        (item,) = [i for i in groups(sr)["Grade and risk"].ContentSequence if concept(i) == c.HORIZON.value]
        assert item.TextValue == said
        sr.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
        back = read_report(tmp_path / "sr.dcm").risk
        assert back is not None
        assert back["horizon"] == horizon
        assert report.document["risk"]["horizon"] == horizon
        assert ("Time horizon", said) in risk_rows(report)


def test_a_thing_has_one_tracking_uid_in_both_objects(whole: Report, objects: tuple[Dataset, Dataset]) -> None:
    sr, seg = objects
    in_sr = {
        name: next(i.UID for i in group.ContentSequence if concept(i) == "112040") for name, group in groups(sr).items()
    }
    in_seg = {s.TrackingID: s.TrackingUID for s in seg.SegmentSequence}
    shared = in_sr.keys() & in_seg.keys()
    assert shared == {name for name in in_sr if name.startswith("Vessel")} != set()
    assert {in_sr[name] for name in shared} == {in_seg[name] for name in shared}
    assert len(set(in_sr.values()) | set(in_seg.values())) == len(in_sr.keys() | in_seg.keys())
    assert dataclasses.replace(whole).tracking_uid("Vessel LAD") not in in_seg.values(), "another reading's are others"


def test_colours_are_those_of_a_screen(objects: tuple[Dataset, Dataset]) -> None:
    shown = {}
    for segment in objects[1].SegmentSequence:
        colour = highdicom.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        shown[segment.SegmentLabel] = colour.to_rgb()  # raises outside of sRGB
    assert shown["Counted calcifications"] == (255, 140, 26)
    assert len(set(shown.values())) == len(shown) == len(objects[1].SegmentSequence)


def test_the_score_region_is_an_outline_and_no_segment(objects: tuple[Dataset, Dataset]) -> None:
    sr, seg = objects
    assert "Counted calcifications" in [s.SegmentLabel for s in seg.SegmentSequence]
    assert not any("region" in s.SegmentLabel for s in seg.SegmentSequence)
    assert len(regions(groups(sr)["Score region"])) == 5
    named = [
        ref.ReferencedSOPInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for ref in series.ReferencedSOPSequence
    ]
    assert seg.SOPInstanceUID in named, "its evidence names the segmentation, so that it is found again"


# --- the prior exam


def compared_with(reading: Report, prior: Path) -> Report:
    record = find_series(prior)[0]
    volume = read_volume(record)
    then = measure(volume, (40, 40, 5), None, None)
    changes = {"agatston": Change(312.25, 211.5, 100.75, 99.0, 20.5)}
    found = Comparison(
        reading.measurement, then, Registration(np.eye(4), 1.25), 372, changes, (), volume.series_uid,
        volume.attributes, record,
    )  # fmt: skip
    return dataclasses.replace(reading, comparison=found)


def test_the_prior_is_referred_to_by_an_image(reading: Report, judge: Judge, tmp_path: Path) -> None:
    made = dicom_series.slices(10, 80, 80, series="9")
    for ds in made:
        ds.StudyInstanceUID = "1.2.826.0.1.3680043.10.999.7"
    folder = dicom_series.write(made, tmp_path / "prior")
    report = compared_with(reading, folder)
    sr = structured_report(report, source_images(report.record, report.volume))
    (item,) = [i for i in sr.ContentSequence if concept(i) == c.PRIOR_IMAGE.value]
    heights = sorted(made, key=lambda ds: float(ds.ImagePositionPatient[2]))
    assert item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == heights[5].SOPInstanceUID
    (study,) = sr.PertinentOtherEvidenceSequence
    assert study.StudyInstanceUID == "1.2.826.0.1.3680043.10.999.7"
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == heights[5].SeriesInstanceUID
    path = tmp_path / "sr.dcm"
    sr.save_as(path, enforce_file_format=True)
    assert judge(path) == []
    assert read_report(path).series_uid == reading.volume.series_uid, "the exam is the current one"

    def other(ds: Dataset) -> None:
        ds.PertinentOtherEvidenceSequence[0].StudyInstanceUID = "1.2.3"

    with pytest.raises(ExamError, match="was changed"):
        read_report(readings.changed(path, tmp_path / "changed.dcm", other))
    # Nothing but the reference is lost with the prior's files.
    shutil.rmtree(folder)
    assert report.comparison is not None
    lost = dataclasses.replace(
        report.comparison, prior_record=dataclasses.replace(report.comparison.prior_record, stack=None)
    )  # type: ignore[type-var]
    assert prior_image(lost) is None
    assert prior_image(dataclasses.replace(report.comparison, prior_record=None)) is None


# --- back again


def test_marks_on_plaques_come_back(reading: Report, tmp_path: Path) -> None:
    marks = HeartMarks(taken=((DIAGONAL, "LAD"), (SQUARE, "LM")), excluded=frozenset({SQUARE}))
    m = measure(reading.volume, readings.CENTRE, 2.0, None, excluded=[(62, 60, 7)], heart=marks)
    assert m.whole_heart is not None
    assert [row.vessel for row in m.whole_heart.vessels if row.lesions] == ["LAD"]
    targets = Targets(sr=tmp_path / "r.sr.dcm", seg=tmp_path / "r.seg.dcm")
    write_exports(targets, reading.record, reading.volume, m)
    assert targets.sr is not None
    outlines: dict[tuple[int, int, int], object] = {}
    found = restore(targets.sr, reading.record, reading.volume, outlines=outlines)  # type: ignore[arg-type]
    assert (found.whole_heart, found.heart, found.notes) == (True, marks, ())
    assert list(outlines) == [readings.CENTRE]
    # The segmentation is compared vessel by vessel.
    other = measure(
        reading.volume, readings.CENTRE, 2.0, None, excluded=[(62, 60, 7)], heart=HeartMarks(taken=((DIAGONAL, "RCA"),))
    )
    swapped = Targets(sr=tmp_path / "other.sr.dcm")
    write_exports(swapped, reading.record, reading.volume, other)
    assert swapped.sr is not None
    back = restore(swapped.sr, reading.record, reading.volume)
    assert back.heart == HeartMarks(taken=((DIAGONAL, "RCA"),))
    plain = measure(reading.volume, readings.CENTRE, 2.0, None)
    write_exports(swapped, reading.record, reading.volume, plain)
    without = restore(swapped.sr, reading.record, reading.volume)
    assert (without.whole_heart, without.heart) == (False, NO_MARKS)


def test_marks_that_are_cut_or_none_are_refused() -> None:
    from hyrisk_desktop.exchange.reports.sr_heart import marks_of

    assert marks_of("0", "", "", "") == NO_MARKS
    assert marks_of("3", "1 2 3 LAD; 4 5 6 other", "", "7 8 9").taken == (((1, 2, 3), "LAD"), ((4, 5, 6), "other"))
    for count, taken, kept, out in (
        ("2", "1 2 3 LAD", "", ""), ("1", "1 2 3 XYZ", "", ""), ("1", "", "1 2", ""), ("", "", "", ""), ("1", "", "", "1 2 x"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            marks_of(count, taken, kept, out)


def test_reports_of_earlier_versions_are_restored(reading: Report, tmp_path: Path) -> None:
    """Written by version 0.1.0 before regions, percent and marks; of the same exam, made anew here."""
    for name in ("report.sr.dcm", "report.seg.dcm"):
        shutil.copy(OLDER / name, tmp_path)
    m = reading.measurement
    assert m.risk is not None
    found = restore(tmp_path / "report.sr.dcm", reading.record, reading.volume)
    assert (found.centre, found.grade, found.box, found.notes) == (m.centre, 2.0, None, ())
    assert len(found.excluded) == 24
    assert (found.whole_heart, found.heart) == (False, NO_MARKS)
    risk = found.report.risk
    assert risk is not None
    assert (risk["risknet"], risk["percentile"]) == (0.5214545195294727, 61.386138613861384)
    assert risk["by_grade"][3] == 0.8719018540806434
    assert risk["horizon"] is None
    back = read_segmentation(tmp_path / "report.seg.dcm").masks(source_images(reading.record, reading.volume))
    assert {kind: int(mask.sum()) for kind, mask in back.items()} == {"counted": 26, REGION: 65 * 65 * 5}


def test_a_whole_heart_of_an_earlier_version_says_that_its_marks_are_not_kept(reading: Report, tmp_path: Path) -> None:
    shutil.copy(OLDER / "heart.sr.dcm", tmp_path)
    found = restore(tmp_path / "heart.sr.dcm", reading.record, reading.volume)
    assert (found.whole_heart, found.heart) == (True, NO_MARKS)
    (note,) = found.notes
    assert note.startswith("The whole-heart score is 0.00 now; the report says 119.60.")
    assert note.endswith("say it again.")
    attributes = {**reading.volume.attributes, "ContrastBolusAgent": "Omnipaque"}
    withheld = dataclasses.replace(reading.volume, attributes=attributes)
    assert restore(tmp_path / "heart.sr.dcm", reading.record, withheld).notes == (), "what is withheld now is not told"
