"""The later exam of a subject: where the heart went and how much the plaques grew are what the generator says. SYNTHETIC."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy.ndimage import map_coordinates

from hyrisk_desktop.comparison import check_same_patient
from hyrisk_desktop.comparison.same_patient import days_between
from hyrisk_desktop.imaging import find_series, read_volume
from model_training.__main__ import main
from model_training.phantom import exam, follow_up
from model_training.phantom.calcium import coronary_calcium
from model_training.phantom.follow_up import FollowUp
from model_training.phantom.heart import rotation
from model_training.phantom.render import make_phantom, render

SEED = 29974


def test_the_heart_moves_as_a_whole_and_its_chest_stays() -> None:
    first = make_phantom(SEED)
    shift = np.array([3.0, -2.0, 5.0])
    moved = replace(first, heart=first.heart.moved(shift))
    np.testing.assert_allclose(moved.heart.click, first.heart.click + shift)
    np.testing.assert_allclose(moved.heart.coronaries["LAD"], first.heart.coronaries["LAD"] + shift)
    # Where nothing but the heart is seen, the same picture at the other place; grain and noise stay with the world.
    first_hu, moved_hu = (render(p, p.grid(31, 31, 3), noisy=False).astype(float) for p in (first, moved))
    assert np.median(np.abs(first_hu - moved_hu)) < 8
    np.testing.assert_allclose(moved.heart.moved(-shift).click, first.heart.click)


def test_plaques_hold_as_much_more_as_is_said_and_nothing_else_grows() -> None:
    first = make_phantom(SEED)
    grown = replace(first, growth=2.0)
    count = sum(len(d.blobs) for d in coronary_calcium(first.subject, first.heart))
    assert count
    before, after = first.blobs, grown.blobs
    np.testing.assert_allclose((after[:count, 3] / before[:count, 3]) ** 3, 2.0)
    np.testing.assert_array_equal(after[count:], before[count:])
    np.testing.assert_array_equal(after[:, [0, 1, 2, 4]], before[:, [0, 1, 2, 4]])


def test_a_later_exam_follows_its_seed_and_lies_where_it_says() -> None:
    one, again = follow_up.follow_up(SEED), follow_up.follow_up(SEED)
    np.testing.assert_array_equal(one.turn, again.turn)
    assert one.phantom.growth == again.phantom.growth
    assert one.phantom.growth in follow_up.GROWTHS
    assert follow_up.follow_up(SEED, growth=1.7).phantom.growth == 1.7
    np.testing.assert_allclose(one.turn @ one.turn.T, np.eye(3), atol=1e-12)
    points = np.array([[10.0, 20.0, 30.0], [0.0, 0.0, 0.0]])
    there = one.of_heart(points)
    np.testing.assert_allclose(np.linalg.norm(there[0] - there[1]), np.linalg.norm(points[0] - points[1]))
    np.testing.assert_allclose(there, one.lying(points + one.heart_mm))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exams of few coarse pixels."""
    for name, value in (("COLUMNS", 96), ("ROWS", 96), ("FEET_MM", -40.0), ("HEAD_MM", 40.0)):
        monkeypatch.setattr(exam, name, value)
    monkeypatch.setattr(follow_up, "COLUMNS", 96)
    monkeypatch.setattr(follow_up, "ROWS", 96)
    monkeypatch.setattr(follow_up, "BEYOND_MM", 15.0)
    real = exam.make_phantom

    def coarse(seed: int) -> object:
        phantom = real(seed)
        return replace(phantom, scanner=replace(phantom.scanner, pixel_mm=4.0, increment_mm=5.0))

    monkeypatch.setattr(exam, "make_phantom", coarse)
    monkeypatch.setattr(follow_up, "make_phantom", coarse)
    exam._phantom.cache_clear()
    exam.outside_circle.cache_clear()
    yield
    exam._phantom.cache_clear()
    exam.outside_circle.cache_clear()


def test_the_image_is_turned_as_the_truth_says(small: None) -> None:
    """What lies at a place of the straight image lies, in the turned one, where that place was carried to."""
    phantom = follow_up.follow_up(SEED, growth=1.0).phantom
    phantom = replace(phantom, scanner=replace(phantom.scanner, pixel_mm=4.0, increment_mm=5.0, noise_hu=0.001))
    laid = FollowUp(phantom, 1.0, np.zeros(3), rotation((4.0, -6.0, 12.0)), np.array([8.0, -12.0, 5.0]))
    flat = replace(laid, turn=np.eye(3), shift_mm=np.zeros(3))
    step = np.array([4.0, 4.0, 5.0])
    first = np.array(exam.first_voxel_mm(phantom, exam.exam_layout(phantom)))
    straight, turned = (follow_up.lying_hu(later).astype(float) for later in (flat, laid))
    z, y, x = np.nonzero(straight[3:-3, 16:-16, 16:-16] > -950)
    voxels = np.stack([x + 16, y + 16, z + 3], axis=1)

    def alike(later: FollowUp) -> float:
        """Correlation of the straight image with the turned one at the places that ``later`` tells."""
        there = (later.lying(first + voxels * step) - first) / step
        found = map_coordinates(turned, there[:, ::-1].T, order=1, cval=np.nan)
        seen = np.isfinite(found)
        assert seen.mean() > 0.5
        return float(np.corrcoef(straight[voxels[seen, 2], voxels[seen, 1], voxels[seen, 0]], found[seen])[0, 1])

    assert alike(laid) > 0.95
    assert alike(replace(laid, turn=laid.turn.T)) < 0.8
    assert alike(replace(laid, shift_mm=-laid.shift_mm)) < 0.8


def test_a_pair_is_two_exams_of_one_patient(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "pair"
    words = ["phantom", "pair", "--seed", "7", "--years", "2", "--growth", "1.5", "--out", str(out), "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["hyrisk", *words])
    assert main() in (0, None)
    prior, current = (read_volume(find_series(out / name)[0]) for name in ("prior", "current"))
    check_same_patient(current.attributes, prior.attributes)
    assert days_between(current.attributes, prior.attributes) == 730
    assert prior.synthetic
    assert current.synthetic
    assert prior.series_uid != current.series_uid
    assert prior.attributes["StudyInstanceUID"] != current.attributes["StudyInstanceUID"]
    assert prior.attributes["FrameOfReferenceUID"] != current.attributes["FrameOfReferenceUID"]
    ages = [int(volume.attributes["PatientAge"][:3]) for volume in (prior, current)]
    assert ages[1] == ages[0] + 2
    uids = [pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID for f in out.glob("*/CT*.dcm")]
    assert len(set(uids)) == len(uids)
    assert json.loads((out / "prior" / exam.CENTRE_FILE).read_text())["synthetic"] is True
