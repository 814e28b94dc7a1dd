"""Findings: each code when it should, and not when it should not; and fast."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging import CTVolume, check_centre, check_volume, find_series, read_volume

SOFT = {"Modality": "CT", "KVP": "120", "ConvolutionKernel": "B30f", "Manufacturer": "SIEMENS", "SliceThickness": "2.5"}


def chest(*, blood: float = 45, noise: float = 15, fov: float = 1.0, depth: int = 90, **attributes: str) -> CTVolume:
    """A chest of 250 x 250 x 90 voxels of 1.5 x 1.5 x 2.5 mm with lungs, heart (centre 135, 110, 45) and spine."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[0:depth, 0:250, 0:250]
    u, v, w = (x - 125) * 1.5 * fov, (y - 125) * 1.5 * fov, (z - depth / 2) * 2.5
    hu = np.full((depth, 250, 250), -1000, np.float32)
    hu[((u / 160) ** 2 + (v / 115) ** 2 + 0 * w) < 1] = 40
    for side in (-1, 1):
        hu[((u - side * 80) / 65) ** 2 + (v / 90) ** 2 + (w / 100) ** 2 < 1] = -850
    hu[((u - 15) / 55) ** 2 + ((v + 22) / 50) ** 2 + (w / 60) ** 2 < 1] = blood
    hu[(u / 18) ** 2 + ((v - 75) / 18) ** 2 + 0 * w < 1] = 300
    hu += rng.normal(0, noise, hu.shape).astype(np.float32)
    return CTVolume(
        np.rint(hu).astype(np.int16), (1.5 * fov, 1.5 * fov, 2.5), (0, 0, 0), np.eye(3), "1", {**SOFT, **attributes}
    )


def codes(findings: Any) -> set[str]:
    return {f.code for f in findings}


HEART, LUNG, SPINE, LIVER = (135, 110, 45), (60, 125, 45), (125, 175, 45), (125, 125, 2)


def test_a_good_scan_has_no_findings() -> None:
    assert check_volume(chest()) == ()
    assert check_centre(chest(), HEART, patch=(101, 101, 3)) == ()


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"ContrastBolusAgent": "IV"}, "contrast"),
        ({"ContrastBolusAgent": "ISOVUE300/100"}, "contrast"),
        ({"ConvolutionKernel": "B70f"}, "sharp_kernel"),
        ({"ConvolutionKernel": "FC51", "Manufacturer": "TOSHIBA"}, "sharp_kernel"),
        ({"SliceThickness": "5"}, "thick_slices"),
        ({"KVP": "80"}, "kvp"),
        ({"Modality": ""}, "missing_header"),
    ],
)
def test_header_findings(attributes: dict[str, str], code: str) -> None:
    (finding,) = check_volume(chest(**attributes))
    assert finding.code == code
    assert finding.severity is (Severity.UNFIT if code == "contrast" else Severity.WARNING)
    assert finding.message.endswith(".")


@pytest.mark.parametrize(
    "attributes",
    [{"ContrastBolusAgent": "NONE"}, {"ContrastBolusAgent": ""}, {"SliceThickness": "3.0"}, {"KVP": "100"}, {"KVP": ""},
     {"ConvolutionKernel": ""}, {"KVP": "abc", "SliceThickness": ""}],
)  # fmt: skip
def test_harmless_headers(attributes: dict[str, str]) -> None:
    assert check_volume(chest(**attributes)) == ()


def test_pixel_findings() -> None:
    assert codes(check_volume(chest(fov=0.6))) == {"truncated_fov"}
    assert codes(check_volume(chest(depth=50))) == {"partial_coverage"}
    padded = chest()
    padded.hu[:, :20, :20] = -3024
    assert codes(check_volume(padded)) == {"padding"}
    round_field = chest(fov=0.6)
    y, x = np.ogrid[:250, :250]
    round_field.hu[:, (y - 124.5) ** 2 + (x - 124.5) ** 2 > 124**2] = -2048
    assert codes(check_volume(round_field)) == {"padding", "truncated_fov"}


@pytest.mark.parametrize("place", [LUNG, SPINE, LIVER])
def test_a_click_beside_the_heart_is_noticed(place: tuple[int, int, int]) -> None:
    assert "not_heart" in codes(check_centre(chest(), place, patch=(11, 11, 3), region=(11, 11, 3)))


def test_noise_contrast_and_borders() -> None:
    small: Any = {"patch": (101, 101, 3)}
    assert codes(check_centre(chest(noise=60), HEART, **small)) == {"noise"}
    assert codes(check_centre(chest(noise=35), HEART, **small)) == set()
    assert codes(check_centre(chest(blood=300), HEART, **small)) == {"contrast_suspected"}
    assert codes(check_centre(chest(blood=300, ContrastBolusAgent="IV"), HEART, **small)) == set()
    assert codes(check_centre(chest(), (250, 0, 0))) == {"centre_outside"}
    assert {"patch_outside", "region_outside"} <= codes(check_centre(chest(), (20, 20, 1)))
    assert "patch_outside" in codes(check_centre(chest(), (79, 110, 45)))
    assert "patch_outside" not in codes(check_centre(chest(), (80, 110, 45)))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_tiny_volumes_are_no_trouble(size: int) -> None:
    volume = replace(chest(), hu=np.zeros((size, size, size), np.int16))
    check_volume(volume)
    check_centre(volume, (0, 0, 0))


def test_checks_copy_no_volume_and_leave_it_alone() -> None:
    volume = replace(chest(), hu=np.zeros((200, 512, 512), np.int16), spacing_mm=(0.7, 0.7, 1.25))
    volume.hu.setflags(write=False)
    tracemalloc.start()
    try:
        check_volume(volume)
        whole = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        check_centre(volume, (256, 256, 100))
        around = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole < 0.1 * volume.hu.nbytes
    assert around < 0.1 * volume.hu.nbytes


@pytest.mark.real_data
def test_findings_of_the_real_scans(real_data: Path) -> None:
    contrast = read_volume(find_series(real_data / "lidc_idri_0001")[0])
    assert {f.code: f.severity for f in check_volume(contrast)}["contrast"] is Severity.UNFIT
    untagged = replace(contrast, attributes={**contrast.attributes, "ContrastBolusAgent": ""})
    assert "contrast" not in codes(check_volume(untagged))
    assert "contrast_suspected" in codes(check_centre(untagged, (270, 240, 55)))
    nlst = read_volume(find_series(real_data / "nlst_101287_T0")[0])
    assert "contrast" not in codes(check_volume(nlst))
    assert "sharp_kernel" in codes(check_volume(nlst))
    for heart in ((258, 224, 74), (280, 230, 65), (280, 230, 55)):
        assert check_centre(nlst, heart) == ()
    for elsewhere in ((256, 380, 70), (120, 250, 70), (256, 250, 130), (250, 200, 3)):
        assert "not_heart" in codes(check_centre(nlst, elsewhere))
