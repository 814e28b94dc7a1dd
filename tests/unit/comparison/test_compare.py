"""An exam laid onto an earlier one of the same patient: registration, change and noise."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from hyrisk_desktop.cli.compare import _number, _print
from hyrisk_desktop.cli.findings import as_read
from hyrisk_desktop.comparison import check_same_patient, compare
from hyrisk_desktop.comparison.change import Change, _change
from hyrisk_desktop.comparison.same_patient import days_between
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.imaging.registration import Registration, _matrix, _residual, laid_by_centres, register
from hyrisk_desktop.risk import loading
from model_training.phantom.heart import Heart
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.thorax import Thorax
from tests.helpers.command_line import hyrisk

SEED = 41
PIXEL, STEP = 1.6, 3.0
SHAPE = (221, 201, 61)
PERSON = {"PatientID": "SYN-41", "PatientName": "SYNTHETIC^PHANTOM^41", "PatientBirthDate": "19600101"}


def chest(phantom: Phantom, when: str, **attributes: str) -> CTVolume:
    """A coarse chest with the click in its middle voxel, which lies at the origin."""
    scanner = replace(phantom.scanner, pixel_mm=PIXEL, increment_mm=STEP, noise_hu=12.0)
    seen = replace(phantom, scanner=scanner)
    hu = render(seen, seen.grid(*SHAPE))
    origin = tuple(-mm * (size // 2) for mm, size in zip((PIXEL, PIXEL, STEP), SHAPE, strict=True))
    facts = {**PERSON, "StudyDate": when, "ConvolutionKernel": "B30f", "Modality": "CT", **attributes}
    return CTVolume(hu, (PIXEL, PIXEL, STEP), origin, np.eye(3), f"series {when}", facts)


CENTRE = (SHAPE[0] // 2, SHAPE[1] // 2, SHAPE[2] // 2)


def calcified(agatston: float, take: int) -> Phantom:
    """The person with so much calcium, in a scan of its own noise."""
    phantom = make_phantom(SEED)
    subject = replace(phantom.subject, agatston_target=agatston, lesions=14)
    return Phantom(subject, Heart(subject), Thorax(subject), replace(phantom.scanner, take=take))


@pytest.fixture(scope="module")
def now() -> CTVolume:
    return chest(calcified(1800.0, 0), "20210301")


@pytest.fixture(scope="module")
def then() -> CTVolume:
    """A year before: less calcium, other noise, and the patient lies turned and shifted."""
    return moved(chest(calcified(600.0, 1), "20200301"), TURN, SHIFT)


@pytest.fixture(scope="module")
def laid() -> dict[tuple[object, ...], Registration]:
    """Registrations that were found, by what they are of."""
    return {}


@pytest.fixture(autouse=True)
def laid_once(laid: dict[tuple[object, ...], Registration], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two volumes are laid onto each other once: it takes seconds, and follows from their voxels alone."""

    def once(current: CTVolume, prior: CTVolume, centre: Voxel, prior_centre: Voxel | None) -> Registration:
        volumes = tuple((hashlib.sha256(v.hu.tobytes()).digest(), v.spacing_mm, v.origin_mm) for v in (current, prior))
        key = (*volumes, centre, prior_centre)
        if key not in laid:
            laid[key] = register(current, prior, centre, prior_centre)
        return laid[key]

    monkeypatch.setattr("hyrisk_desktop.comparison.change.register", once)


TURN, SHIFT = (4.0, -3.0, 5.0), (11.0, -8.0, 14.0)


def moved(volume: CTVolume, turn_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> CTVolume:
    """The same patient lying elsewhere: a place p of ``volume`` is at R p + shift."""
    image = sitk.GetImageFromArray(volume.hu.astype(np.float32))
    image.SetSpacing(volume.spacing_mm)
    image.SetOrigin(volume.origin_mm)
    transform = sitk.Euler3DTransform()
    turn = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    transform.SetMatrix(turn.T.ravel().tolist())
    transform.SetTranslation((-turn.T @ np.array(shift_mm)).tolist())
    laid = sitk.Resample(image, image, transform, sitk.sitkLinear, -1000.0)
    return replace(volume, hu=np.rint(sitk.GetArrayFromImage(laid)).astype(np.int16))


def truth(mm: np.ndarray) -> np.ndarray:
    return Rotation.from_euler("xyz", TURN, degrees=True).as_matrix() @ mm + np.array(SHIFT)


def test_a_patient_who_lies_elsewhere_is_found_to_two_millimetres(now: CTVolume, then: CTVolume) -> None:
    found = register(now, then, CENTRE, None)
    around = [np.array(p) for p in ((0, 0, 0), (30, 0, 0), (0, -30, 0), (0, 0, 30), (-25, 20, -20))]
    errors = [np.linalg.norm(np.array(found.to_prior(tuple(p))) - truth(p)) for p in around]
    assert max(errors) < 2.0
    assert found.residual_mm <= 2.5
    turn = found.matrix[:3, :3]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    np.testing.assert_array_equal(found.matrix[3], [0, 0, 0, 1])


def test_an_exam_lies_on_itself_wherever_its_scanner_began_to_count(now: CTVolume) -> None:
    away = np.array([180.0, -140.0, 90.0])
    x, y, z = np.array(now.origin_mm) + away
    found = register(now, replace(now, origin_mm=(x, y, z)), CENTRE, CENTRE)
    expected = np.eye(4)
    expected[:3, 3] = away
    assert np.abs(found.matrix - expected).max() < 0.05
    assert found.residual_mm < 0.1


def test_a_matrix_moves_places_as_the_transform_does() -> None:
    transform = sitk.Euler3DTransform()
    transform.SetCenter((40.0, -25.0, 60.0))
    transform.SetRotation(0.1, -0.2, 0.3)
    transform.SetTranslation((7.0, -5.0, 3.0))
    place = (12.0, 34.0, -56.0)
    np.testing.assert_allclose((_matrix(transform) @ (*place, 1.0))[:3], transform.TransformPoint(place))


def test_a_residual_is_in_millimetres() -> None:
    def half_lung(edge: int) -> CTVolume:
        hu = np.zeros((111, 111, 111), np.int16)
        hu[:, :, :edge] = -900
        return CTVolume(hu, (1.5, 1.5, 1.5), (-82.5, -82.5, -82.5), np.eye(3), f"{edge}")

    middle = np.zeros(3)
    assert _residual(half_lung(55), half_lung(58), middle, sitk.Euler3DTransform()) == pytest.approx(3 * 1.5)
    assert _residual(half_lung(55), half_lung(55), middle, sitk.Euler3DTransform()) == 0.0
    assert math.isnan(_residual(half_lung(0), half_lung(55), middle, sitk.Euler3DTransform()))


def test_what_shows_no_chest_is_one_sentence(now: CTVolume) -> None:
    air = replace(now, hu=np.full_like(now.hu, -1000), origin_mm=(5000.0, 0.0, 0.0))
    with pytest.raises(ExamError):
        compare(now, air, CENTRE)


@pytest.mark.parametrize("centre", [(9999, 9999, 9999), (-1, 3, 3)])
def test_a_centre_outside_the_exam_is_what_is_told(now: CTVolume, then: CTVolume, centre: Voxel) -> None:
    with pytest.raises(InputError) as e:
        compare(now, then, centre)
    assert e.value.code == "centre_outside"


def test_scores_are_compared_at_the_same_place(now: CTVolume, then: CTVolume) -> None:
    found = compare(now, then, CENTRE, grade=2, prior_grade=1)
    assert found.interval_days == 365
    expected = then.mm_to_voxel(tuple(truth(np.zeros(3))))
    assert max(abs(a - b) for a, b in zip(found.prior.centre, expected, strict=True)) <= 1
    change = found.changes["agatston"]
    assert (change.current, change.prior) == (found.current.scores.agatston, found.prior.scores.agatston)
    assert change.difference == change.current - change.prior > 0
    assert change.per_year == pytest.approx(change.difference * 365.25 / 365)
    assert change.noise is not None
    assert change.noise >= 0
    assert found.changes["grade"] == Change(2, 1, 1, pytest.approx(365.25 / 365), None)
    assert found.changes["risknet"] == Change(None, None, None, None, None)
    assert found.findings == ()


def test_other_kernels_and_increments_are_told(now: CTVolume, then: CTVolume) -> None:
    other = replace(then, attributes={**then.attributes, "ConvolutionKernel": "B50f"})
    assert [f.code for f in compare(now, other, CENTRE).findings] == ["kernels_differ"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((300.0, 100.0, 365, 12.0), Change(300.0, 100.0, 200.0, 200.0 * 365.25 / 365, 12.0)),
        ((300.0, 100.0, 29, 12.0), Change(300.0, 100.0, 200.0, None, 12.0)),
        ((300.0, 100.0, 30, 12.0), Change(300.0, 100.0, 200.0, 200.0 * 365.25 / 30, 12.0)),
        ((300.0, 100.0, None, None), Change(300.0, 100.0, 200.0, None, None)),
        ((None, 100.0, 365, 12.0), Change(None, 100.0, None, None, None)),
        ((300.0, None, 365, 12.0), Change(300.0, None, None, None, None)),
    ],
)
def test_a_change_per_year_needs_both_numbers_and_a_month(values: tuple[Any, ...], expected: Change) -> None:
    assert _change(*values) == expected


def test_days_come_from_the_acquisition_and_never_backwards() -> None:
    one, two = {"StudyDate": "20200101"}, {"StudyDate": "20210101", "AcquisitionDate": "20210103"}
    assert days_between(two, one) == 368
    assert days_between(one, one) == 0
    assert days_between(two, {"StudyDate": "20200230"}) is None
    assert days_between(two, {}) is None
    with pytest.raises(InputError) as e:
        days_between(one, two)
    assert e.value.code == "prior_is_later"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, ""),
        ({"PatientName": "SYNTHETIC^PHANTOM^41^^"}, ""),
        ({"PatientName": " synthetic^phantom^41 "}, ""),
        ({"PatientID": "SYN-42"}, "other_patient"),
        ({"PatientBirthDate": "19600102"}, "other_patient"),
        ({"PatientName": "SYNTHETIC^PHANTOM^4"}, "other_patient"),
        ({"PatientID": ""}, "other_patient"),
    ],
)
def test_whose_exams_they_are(change: dict[str, str], code: str) -> None:
    def check() -> None:
        check_same_patient(PERSON, {**PERSON, **change})

    if not code:
        check()
        return
    with pytest.raises(InputError) as e:
        check()
    assert e.value.code == code
    assert not any(value in e.value.message for value in (*PERSON.values(), *change.values()) if value)


def test_exams_without_a_name_are_asked_about() -> None:
    with pytest.raises(InputError) as e:
        check_same_patient({}, {"PatientID": " "})
    assert e.value.code == "unknown_patient"


def written(volume: CTVolume, path: Path) -> Path:
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.spacing_mm)
    image.SetOrigin(volume.origin_mm)
    image.SetMetaData("PatientName", "SYNTHETIC^PHANTOM")
    sitk.WriteImage(image, str(path))
    return path


def test_the_command_prints_one_object(
    now: CTVolume,
    then: CTVolume,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked, load = [], loading.load_predictor
    monkeypatch.setattr(loading, "load_predictor", lambda *a, **k: (asked.append(k["engine"]), load(*a, **k))[1])
    run: Callable[..., tuple[int, str, str]] = lambda *words: hyrisk(monkeypatch, capsys, "compare", *words)  # noqa: E731
    current, prior = written(now, tmp_path / "now.nrrd"), written(then, tmp_path / "then.nrrd")
    code, out, _ = run(current, prior, "--center", *CENTRE, "--grade", "2", "--json")
    found = json.loads(out)
    assert code == 0
    matrix = np.array(found["registration"]["matrix"])
    assert np.linalg.norm(matrix[:3, 3] - truth(np.zeros(3))) < 2.0
    assert found["registration"]["residual_mm"] <= 2.5
    assert found["interval_days"] is None
    assert set(found["change"]) == {"agatston", "volume_mm3", "sqrt_volume", "grade", "risknet", "hyrisknet"}
    assert set(found["change"]["agatston"]) == {"current", "prior", "difference", "per_year", "noise"}
    assert found["change"]["hyrisknet"]["prior"] is None
    assert found["exams"]["current"]["synthetic"] is True
    assert (found["model"]["demonstration"], len(found["model"]["sha256"])) == (True, 64)
    assert not math.isnan(found["change"]["agatston"]["noise"])
    code, out, _ = run(current, prior, "--center", *CENTRE, "--engine", "torch")
    assert (code, asked) == (0, ["auto", "torch"])
    assert "synthetic phantom" in out
    # Whose risk it is stands beside it.
    assert f"{found['model']['name']} {found['model']['sha256'][:12]}\n" in out
    assert "demonstration model, trained on synthetic phantoms" in out
    for wrong, expected in (
        ((current, current), 2),
        ((current, tmp_path / "none"), 3),
        ((current, prior, "--grade", "7"), 2),
        ((current, prior, "--engine", "tensor"), 2),
        ((current, prior, "--engine", "onnx", "--device", "cuda"), 2),
    ):
        code, out, _ = run(*wrong, "--json")
        assert code == expected
        assert json.loads(out)["error"]["message"]


@pytest.mark.parametrize(
    ("value", "sign", "said"),
    [(1234.56, "", "1235"), (52025.3, "+", "+52025"), (-1234.0, "+", "-1234"), (999.6, "", "1000"), (12.34, "", "12.3"), (0.1234, "+", "+0.123")],
)  # fmt: skip
def test_a_score_in_the_thousands_is_no_power_of_ten(value: float, sign: str, said: str) -> None:
    assert _number(value, sign) == said


def test_the_command_prints_each_finding_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    findings = (
        Finding("unregistered", Severity.WARNING, "The exams lie apart."),
        Finding("dated", Severity.INFO, "No date."),
    )
    document = {
        "interval_days": 1, "registration": {"residual_mm": None}, "change": {}, "findings": [], "model": None,
        "exams": {"current": {"synthetic": True}, "prior": {"synthetic": False}},
    }  # fmt: skip
    _print(as_read(document, findings))
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("1 day")
    assert out[1:3] == ["[warning] The exams lie apart.", "[info] No date."]


def test_the_command_says_of_each_change_whether_it_is_more_than_noise(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {
        "agatston": (5.0, 9.0, 4.0, 4.1), "volume_mm3": (9.0, 5.0, -4.0, 3.9), "grade": (3.0, 1.0, 2.0, None),
        "hyrisknet": (None, 0.5, None, None),
    }  # fmt: skip
    change = {
        name: dict(zip(("current", "prior", "difference", "noise"), row, strict=True)) for name, row in rows.items()
    }
    _print({
        "interval_days": 1, "registration": {"residual_mm": None}, "change": change, "findings": [], "model": None,
        "exams": {},
    })  # fmt: skip
    assert capsys.readouterr().out.splitlines()[1:4] == [
        "agatston          9 -> 5, +4 (within what noise makes)",
        "volume_mm3        5 -> 9, -4 (more than noise makes)",
        "grade             1 -> 3, +2 (noise not known)",
    ]


def test_whole_hearts_are_compared_where_they_are_asked_for(now: CTVolume, then: CTVolume) -> None:
    found = compare(now, then, CENTRE, whole_heart=True)
    change = found.changes["heart_agatston"]
    assert found.current.whole_heart is not None
    assert found.prior.whole_heart is not None
    assert change.current == found.current.whole_heart.agatston
    assert change.prior == found.prior.whole_heart.agatston
    assert change.difference == change.current - change.prior > 0
    assert change.noise is not None
    assert change.noise > 0
    for m, name in ((found.current, "current"), (found.prior, "prior")):
        by_vessel = {row.vessel: row.agatston for row in m.whole_heart.vessels}
        told = {v: getattr(found.changes[f"heart_{v.lower()}"], name) for v in ("LM", "LAD", "LCX", "RCA")}
        assert told == {v: by_vessel[v] for v in told}
    assert found.changes["heart_sqrt_volume"].difference == pytest.approx(
        found.current.whole_heart.sqrt_volume - found.prior.whole_heart.sqrt_volume
    )


def test_a_place_goes_to_the_prior_and_back() -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", TURN, degrees=True).as_matrix()
    matrix[:3, 3] = SHIFT
    laid = Registration(matrix, 0.0)
    place = (12.0, -34.0, 56.0)
    np.testing.assert_allclose(laid.to_prior(place), truth(np.array(place)))
    np.testing.assert_allclose(laid.to_current(laid.to_prior(place)), place)


def test_until_it_is_registered_the_heart_centres_lie_on_each_other(now: CTVolume) -> None:
    prior = replace(now, origin_mm=(7.0, 8.0, 9.0))
    there = (CENTRE[0] + 4, CENTRE[1] - 3, CENTRE[2] + 2)
    laid = laid_by_centres(now, prior, CENTRE, there)
    np.testing.assert_allclose(laid.to_prior(now.voxel_to_mm(CENTRE)), prior.voxel_to_mm(there))
    by_middles = laid_by_centres(now, prior, None, None)
    np.testing.assert_allclose(by_middles.to_prior(now.origin_mm), prior.origin_mm)
    assert math.isnan(laid.residual_mm)


def test_the_heart_is_followed_where_it_moved_in_its_chest(now: CTVolume) -> None:
    """The phantom's heart lies in the middle of either volume, and its chest 9 mm elsewhere."""
    phantom = calcified(600.0, 1)
    moved_heart = replace(phantom, heart=phantom.heart.moved(np.array([4.0, -3.0, 7.5])))
    found = register(now, chest(moved_heart, "20200301"), CENTRE, CENTRE)
    assert np.linalg.norm(found.to_prior((0.0, 0.0, 0.0))) < 2.0
