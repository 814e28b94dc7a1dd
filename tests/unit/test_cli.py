"""`hyrisk` as its callers use it: one JSON object, exit codes, one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hyrisk_desktop import cli
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import SimpleITK as sitk

    volume = block_volume([(box((CX, CY, CZ), (6, 6, 1)), 350)])
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.spacing_mm)
    path = tmp_path_factory.mktemp("exam") / "chest.nrrd"
    sitk.WriteImage(image, str(path))
    return path


def hyrisk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["hyrisk", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_score_prints_one_json_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, model: Path
) -> None:
    code, out, _ = hyrisk(
        monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ, "--grade", 2, "--model", model, "--json"
    )
    document = json.loads(out)
    assert code == 0
    assert set(document) >= {"exam", "geometry", "center", "calcium", "risk", "findings", "versions"}
    assert document["center"]["voxel_xyz"] == [CX, CY, CZ]
    assert document["calcium"]["agatston"] == pytest.approx(36 * 0.49 * 3)
    assert document["calcium"]["region_voxels_xyz"] == [65, 65, 5]
    lesion = document["calcium"]["lesions"][0]
    assert set(lesion) == {"slice", "center_xyz", "area_mm2", "max_hu", "mean_hu", "agatston", "volume_mm3"}
    risk = document["risk"]
    assert risk["interval"][0] <= risk["hyrisknet"] <= risk["interval"][1]
    assert risk["by_grade"][2] == pytest.approx(risk["hyrisknet"])
    assert len(risk["sha256"]) == 64
    assert {f["severity"] for f in document["findings"]} <= {"info", "warning", "unfit"}


def test_without_a_grade_hyrisknet_is_null(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, model: Path
) -> None:
    _, out, _ = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ, "--model", model, "--json")
    risk = json.loads(out)["risk"]
    assert risk["hyrisknet"] is None
    assert 0 <= risk["risknet"] <= 1


def test_centre_in_millimetres_is_the_same_reading(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, model: Path
) -> None:
    _, out, _ = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ, "--model", model, "--json")
    first = json.loads(out)
    mm = first["center"]["mm_lps"]
    _, out, _ = hyrisk(monkeypatch, capsys, "score", exam, "--center-mm", *mm, "--model", model, "--json")
    assert json.loads(out) == first


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--center", 0, 0, 0, "--grade", 7], 2),
        (["--center", 9999, 0, 0], 2),
        (["--center", 0, 0, 0, "--center-mm", 1, 2, 3], 2),
        ([], 2),
        (["--center", 0, 0, 0, "--profile", "agatstone"], 2),
        (["--center", 0, 0, 0, "--device", "tpu"], 2),
        (["--center", "a", 0, 0], 2),
        (["--center", 130, 120, 12, "--model", "/nowhere"], 3),
    ],
)
def test_wrong_arguments_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exam: Path,
    model: Path,
    arguments: list[object],
    code: int,
) -> None:
    extra = [] if "--model" in arguments else ["--model", model]
    got, out, err = hyrisk(monkeypatch, capsys, "score", exam, *arguments, *extra, "--json")
    assert got == code
    assert out == ""
    assert "Traceback" not in err
    assert len(err) > 15


def test_an_exam_that_cannot_be_read_is_json_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = hyrisk(monkeypatch, capsys, "score", tmp_path, "--center", 1, 2, 3, "--json")
    assert code == 3
    error = json.loads(out)["error"]
    assert error["code"]
    assert error["message"] in err


@pytest.mark.real_data
def test_the_same_numbers_as_the_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], real_data: Path, model: Path
) -> None:
    from hyrisk_desktop.calcium import score_region
    from hyrisk_desktop.imaging import find_series, read_volume
    from hyrisk_desktop.risk import Predictor

    folder = real_data / "nlst_101287_T0"
    _, out, _ = hyrisk(
        monkeypatch, capsys, "score", folder, "--center", 258, 224, 74, "--grade", 2, "--model", model, "--json"
    )
    document = json.loads(out)
    volume = read_volume(find_series(folder)[0])
    assert document["calcium"]["agatston"] == score_region(volume, (258, 224, 74)).agatston
    assert document["risk"]["hyrisknet"] == Predictor(model, "cpu").predict(volume, (258, 224, 74), 2.0).hyrisknet
    assert document["geometry"]["shape_zyx"] == [143, 512, 512]
    assert document["exam"]["kernel"] == "FC51"
    assert document["exam"]["contrast"] is False


def test_no_display_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform in ("win32", "darwin"):
        pytest.skip("there is always a display here")
    code, _, err = hyrisk(monkeypatch, capsys, "somewhere")
    assert code == 2
    assert "display" in err


def test_the_window_is_up_before_torch() -> None:
    """Importing everything the first window needs must not import torch, scikit-learn or SimpleITK."""
    code = (
        "import sys; from hyrisk_desktop.app import build_window, make_application\n"
        "from hyrisk_desktop.settings import Settings\n"
        "a = make_application(['x']); w, s = build_window(Settings(None), None); w.show(); a.processEvents()\n"
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'SimpleITK', 'matplotlib') if m in sys.modules]); w.close()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from hyrisk_desktop import __version__

    assert hyrisk(monkeypatch, capsys, "--version")[:2] == (0, __version__ + "\n")
