"""What the words of a header say of an image: maps are never read as plain CT, and plain CT is never called a map."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.imaging.headers.kinds import nature_of, plain_description
from tests.helpers.dicom_series import enhanced, slices, write, write_one

pytestmark = pytest.mark.filterwarnings("ignore:.*VR CS")

MAP_VALUES = [
    "MAT_SPECIFIC", "MAT_REMOVED", "MAT_FRACTIONAL", "MAT_MODIFIED", "MAT_VALUE_BASED", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY",
    "VIRTUAL_NON_CONTRAST", "VNC", "VNCa", "EFF_Z", "ZEFF", "Z_EFF", "RHO", "IODINE", "IODINE_MAP", "WATER", "WATER(IODINE)",
    "PERFUSION", "RCBF", "CBV", "MTT", "TTP", "TMAX", "SUBTRACTION", "MIP", "MINIP", "MAX_IP", "BONE_REMOVAL", "URIC_ACID",
    "VIRTUAL_NON_CONT", "CALCIUM_SUPPRESSED", "SBI", "STD_DEVIATION", "3D", "SSD", "QUANTITY",
]  # fmt: skip
PLAIN_VALUES = [
    "AXIAL", "CT_SOM5 SPI", "CT_SOM7 SPI DUAL", "DET_AB", "STD", "SNRG", "AVERAGE", "MEAN", "MIXED", "ADD", "MPR", "NONE",
    "FORMAT_REMOVED", "MAT", "MATRIX", "VOLUME", "PRE_CONTRAST", "CALCIUM_SCORING", "T3D", "NON_CONTRAST", "RESAMPLED", "CSA MPR",
    "NORM", "GSI QC", "LOW_DOSE",
]  # fmt: skip
MAP_TEXTS = [
    "VNC 1.5 Br40", "DE Virtual Non-Contrast", "Virtual Unenhanced", "Virtuell nativ 3.0", "Iodine Map", "IodineMap 2mm",
    "Iodine no Water", "Iodine(Water)", "MD Water(Iodine) 2.5", "Z Effective", "Eff-Z", "Rho/Z", "Electron Density", "Uric Acid",
    "Calcium Suppressed 25", "VNCa", "CBF map", "Lung PBV", "CTA subtraction", "Bone Removal", "Spectral Base Images", "SBI",
    "Thorax MIP 10/3", "Colour Overlay", "Material Density", "iodine", "MRCAT",
]  # fmt: skip
PLAIN_TEXTS = [
    "Thorax low dose", "Chest non contrast 2.0 Br40", "True non-contrast (TNC)", "Format removed", "Material for teaching",
    "Calcium Scoring 3.0", "CaSc 3.0 Qr36", "DE mixed M_0.6", "average 120 kVp", "Conventional", "No bone removal",
    "without iodine map", "5/5mm Plain", "0,OPA,TO,AQUL4,FC51,276.6,2,120,40,na,na", "Mono-phase chest", "Rhodes protocol",
    "lossy conversion", "Perfusion protocol, native", "Iodinated", "MPR thin", "SYNTHETIC chest, no patient", "",
]  # fmt: skip


@pytest.mark.parametrize("value", MAP_VALUES)
@pytest.mark.parametrize("place", ["third", "fourth", "frame type", "nested frame type"])
def test_a_map_by_type_is_refused_in_single_frames(value: str, place: str, tmp_path: Path) -> None:
    parts = slices(3)
    for part in parts:
        words = ["DERIVED", "PRIMARY", "AXIAL"]
        if place == "nested frame type":
            item = Dataset()
            item.FrameType = [*words, value]
            part.CTImageFrameTypeSequence = [item]
        elif place == "frame type":
            part.FrameType = [*words, value]
        else:
            part.ImageType = [*words[:2], value] if place == "third" else [*words, value]
    write(parts, tmp_path)
    (record,) = find_series(tmp_path)
    assert (record.suitable, record.problem) == (False, "derived")
    with pytest.raises(ExamError, match="computed"):
        read_volume(record)


@pytest.mark.parametrize("value", MAP_VALUES)
@pytest.mark.parametrize("place", ["image type", "shared", "one frame"])
def test_a_map_by_type_is_refused_in_enhanced_form(value: str, place: str, tmp_path: Path) -> None:
    ds = enhanced(3)
    item = Dataset()
    item.FrameType = ["DERIVED", "PRIMARY", "VOLUME", value]
    if place == "image type":
        ds.ImageType = ["DERIVED", "PRIMARY", "VOLUME", value]
    elif place == "shared":
        ds.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = [item]
    else:
        for group in ds.PerFrameFunctionalGroupsSequence:
            group.CTImageFrameTypeSequence = [item]
    write_one(ds, tmp_path / "a.dcm")
    (record,) = find_series(tmp_path)
    assert (record.suitable, record.problem) == (False, "derived")


@pytest.mark.parametrize("value", PLAIN_VALUES)
def test_a_plain_type_is_no_map(value: str, tmp_path: Path) -> None:
    parts = slices(12)
    for part in parts:
        part.ImageType = ["DERIVED", "PRIMARY", "AXIAL", value]
    write(parts, tmp_path / "one")
    ds = enhanced(12)
    ds.ImageType = ["DERIVED", "PRIMARY", "VOLUME", value]
    (tmp_path / "other").mkdir()
    write_one(ds, tmp_path / "other" / "a.dcm")
    for folder in ("one", "other"):
        (record,) = find_series(tmp_path / folder)
        assert (record.suitable, record.findings) == (True, ())


@pytest.mark.parametrize("keyword", ["SeriesDescription", "DerivationDescription"])
@pytest.mark.parametrize("text", MAP_TEXTS)
def test_a_described_map_is_unfit(text: str, keyword: str, tmp_path: Path) -> None:
    parts = slices(12)
    for part in parts:
        setattr(part, keyword, text)
    write(parts, tmp_path)
    (record,) = find_series(tmp_path)
    found = {f.code: f.severity for f in read_volume(record).findings}
    assert found == {"computed_map": Severity.UNFIT}
    ds = enhanced(12)
    setattr(ds, keyword, text)
    assert {f.code for f in find_series(write_one(ds, tmp_path / "a.dcm"))[0].findings} == {"computed_map"}


@pytest.mark.parametrize("text", PLAIN_TEXTS)
def test_an_ordinary_description_is_no_map(text: str) -> None:
    assert nature_of(("ORIGINAL", "PRIMARY", "AXIAL"), (text,)) == nature_of((), ())


@pytest.mark.parametrize(
    ("types", "text", "energies", "virtual", "kev"),
    [
        (("VMI",), "", (), True, None), (("VMI",), "", (40.0,), True, 40.0), ((), "", (70.0,), True, 70.0),
        ((), "Monoenergetic Plus 55 keV", (), True, 55.0), ((), "MonoE40keV", (), True, 40.0), ((), "Mono 65.5 keV", (), True, 65.5),
        ((), "GSI MONO 70keV", (), True, 70.0), (("MONO_E",), "", (), True, None), ((), "Mono+ 40-70 keV 120 keV", (), True, None),
        (("VMI",), "100 keV", (70.0,), True, 70.0), ((), "GSI 2.5", (), True, None), ((), "GSI QC 140kVp", (), False, None),
        (("VMI_70",), "", (), True, 70.0), ((), "VMI 55 chest", (), True, 55.0), ((), "Chest 120 kV", (), False, None), ((), "Mono-phase", (), False, None),
    ],
)  # fmt: skip
def test_energies(
    types: tuple[str, ...], text: str, energies: tuple[float, ...], virtual: bool, kev: float | None
) -> None:
    nature = nature_of(types, (text,), energies)
    assert (nature.virtual, nature.kev, nature.computed) == (virtual, kev, "")


@pytest.mark.parametrize(
    ("kev", "warned"),
    [(70.0, False), (70.5, False), (69.5, False), (70.6, True), (69.4, True), (40.0, True), (None, True)],
)
@pytest.mark.parametrize("form", ["single", "enhanced"])
def test_monoenergetic_images_are_warned_of_away_from_70_kev(
    kev: float | None, warned: bool, form: str, tmp_path: Path
) -> None:
    parts = slices(12) if form == "single" else [enhanced(12)]
    for part in parts:
        part.ImageType = ["DERIVED", "PRIMARY", "AXIAL", "VMI"]
        if kev is not None:
            item = Dataset()
            item.MonoenergeticEnergyEquivalent = kev
            part.MultienergyCTProcessingSequence = [item]
    write(parts, tmp_path)
    (record,) = find_series(tmp_path)
    assert record.suitable
    assert {f.code: f.severity for f in record.findings} == ({"monoenergetic": Severity.WARNING} if warned else {})


def test_modified_hu_are_unfit_in_both_forms(tmp_path: Path) -> None:
    parts = slices(12)
    for part in parts:
        part.RescaleType = "HU_MOD"
    write(parts, tmp_path)
    assert {f.code for f in find_series(tmp_path)[0].findings} == {"computed_map"}
    ds = enhanced(12)
    ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleType = "HU_MOD"
    assert {f.code for f in find_series(write_one(ds, tmp_path / "a.dcm"))[0].findings} == {"computed_map"}


def test_the_plain_series_is_read_before_the_map_beside_it(tmp_path: Path) -> None:
    for number, text in ((1, "Iodine Map"), (2, "MonoE 40 keV"), (3, "Thorax")):
        parts = slices(12, series=str(number))
        for part in parts:
            part.SeriesDescription = text
        write(parts, tmp_path / str(number))
    assert [r.series_uid.split(".")[-2] for r in find_series(tmp_path)] == ["3", "2", "1"]


@pytest.mark.parametrize("text", [*MAP_TEXTS, "MonoE 40 keV", "VMI"])
def test_a_deidentified_copy_says_so_in_the_standards_words(text: str) -> None:
    nature = nature_of((), (text,))
    again = nature_of((), (plain_description(nature),))
    assert again == nature
