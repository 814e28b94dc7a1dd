"""`hyrisk` as its callers use it: one JSON object, exit codes, one sentence."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hyrisk_desktop.cli import main
from hyrisk_desktop.cli.score import _risk_lines
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.command_line import hyrisk
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
    assert document["calcium"]["agatston"] == pytest.approx(36 * 0.7 * 0.8 * 3)
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
        (["--center", 130, 120, 12, "--model", "/nowhere"], 3),
        (["--center-mm", "nan", 0, 0], 2),
        (["--center-mm", "inf", 0, 0], 2),
        (["--center-mm", 1e300, 0, 0], 2),
        (["--center-mm", -5000, 0, 0], 2),
        (["--center", 10**30, 0, 0], 2),
        (["--center", 130, 120, 12, "--sr", "report.dcm"], 3),
        (["--center", 130, 120, 12, "--fhir", "/nowhere/report.json"], 2),
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
    error = json.loads(out)["error"]
    assert error["code"]
    assert err == error["message"] + "\n"
    assert 15 < len(err) < 200

    got, out, _ = hyrisk(monkeypatch, capsys, "score", exam, *arguments, *extra)
    assert (got, out) == (code, "")


def test_usage_errors_stay_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path
) -> None:
    code, out, err = hyrisk(monkeypatch, capsys, "score", exam, "--center", "a", 0, 0, "--json")
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_without_a_usable_model_calcium_scores_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("hyrisk_desktop.paths.bundled_model_dir", lambda: tmp_path / "gone")
    code, out, _ = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["risk"] is None
    assert document["calcium"]["agatston"] == pytest.approx(36 * 0.7 * 0.8 * 3)
    missing = next(f for f in document["findings"] if f["code"] == "bundle_missing")
    assert missing["severity"] == "warning"
    assert "bundle_missing" not in document["calcium"]["reasons"], "the scores are none the worse for it"
    code, out, _ = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ)
    assert code == 0
    assert "Risk              not available" in out
    assert missing["message"] in out


def test_no_risk_for_people_is_nothing_or_certain() -> None:
    risk = {"state": "shown", "risknet": 0.99999, "hyrisknet": 0.0001, "interval": [0.00001, 0.5], "demonstration": False, "calibrated": True,
            "prevalence": 0.1, "percentile": None, "horizon": None, "model": "M", "sha256": "0" * 64}  # fmt: skip
    lines = list(_risk_lines(risk, ""))
    assert lines[0] == "Risk              <0.1 %, interval <0.1 % to 50.0 %"
    assert "RiskNet           >99.9 % (image alone)" in lines


def test_the_readout_for_people_is_complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, model: Path
) -> None:
    _, out, _ = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ, "--grade", 2, "--model", model)
    for part in (
        "2 (10 < A ≤ 100)",
        "46 × 52 × ",
        "RiskNet",
        "of the reference cohort",
        "assumes 30.0 % non-survivors",
    ):
        assert part in out
    assert "demonstration model" in out
    assert out.endswith("Research use only.\n")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_survives_a_console_of_few_characters(exam: Path, model: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "hyrisk_desktop.cli", "score", str(exam), "--center", str(CX), str(CY), str(CZ)]
    done = subprocess.run(
        [*command, "--model", str(model), *options],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1:strict", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr.decode()
    if options:
        assert done.stdout.isascii()
        assert json.loads(done.stdout)["calcium"]
    else:
        assert "(10 < A ? 100)" in done.stdout.decode("latin-1")


def test_words_of_later_versions_are_no_paths(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_LATER_COMMANDS", ("later",))
    code, out, err = hyrisk(monkeypatch, capsys, "later", "folder", "--out", "x.csv")
    assert (code, out) == (2, "")
    assert "./later" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/patients/Doe^John"), "No space left"),
        (OSError("Doe^John"), "OSError"),
        (MemoryError(), "not enough memory"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "(torch)"),
        (ImportError("libEGL.so.1: cannot open shared object file: No such file"), "libEGL.so.1"),
        (RuntimeError("Doe^John"), "RuntimeError"),
    ],
)
def test_the_unexpected_is_one_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exam: Path, error: Exception, words: str
) -> None:
    def fail(_: Path) -> None:
        raise error

    monkeypatch.setattr("hyrisk_desktop.imaging.find_series", fail)
    monkeypatch.delenv("HYRISK_DEBUG", raising=False)
    code, out, err = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ, "--json")
    assert code == 1
    assert words in err
    assert err.count("\n") == 1
    assert json.loads(out)["error"]["message"] == err.strip()
    monkeypatch.setenv("HYRISK_DEBUG", "1")
    _, out, more = hyrisk(monkeypatch, capsys, "score", exam, "--center", CX, CY, CZ)
    assert "test_score.py" in more
    assert "Doe" not in err + more + out


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
        monkeypatch,
        capsys,
        "score",
        folder,
        "--center",
        258,
        224,
        74,
        "--grade",
        2,
        "--model",
        model,
        "--engine",
        "torch",
        "--json",
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


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a display here")
def test_a_dead_display_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":4321")
    code, _, err = hyrisk(monkeypatch, capsys, "somewhere")
    assert code == 2
    assert ":4321" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("works", [True, False])
def test_the_demonstration_falls_back_to_offscreen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], works: bool
) -> None:
    from hyrisk_desktop import app
    from hyrisk_desktop.cli import display

    ran = []
    monkeypatch.setattr(display, "display_works", lambda: works)
    monkeypatch.setattr(app, "run_gui", lambda *_, **__: ran.append("window") or 0)
    monkeypatch.setattr(app, "run_demonstration_offscreen", lambda: ran.append("offscreen") or 0)
    assert hyrisk(monkeypatch, capsys, "demo")[0] == 0
    assert ran == ["window" if works else "offscreen"]


def test_the_window_is_up_before_torch() -> None:
    """What the first window imports decides how long a reader waits for it: none of the large libraries of what comes later."""
    from hyrisk_desktop.gui.application import SEEN_LATER

    later = [
        "torch",
        "torchvision",
        "sklearn",
        "SimpleITK",
        "matplotlib",
        "scipy",
        "sqlalchemy",
        "alembic",
        "pydicom",
        "highdicom",
        "PIL",
        "requests",
        "pynetdicom",
        "fpdf",
        "pyqtgraph",
    ]
    windows = [f"hyrisk_desktop.gui.{name}" for name in SEEN_LATER]
    assert all(map(find_spec, windows))
    later += windows
    # On a slow machine what is begun after the first picture would be there by its end.
    code = (
        "import sys; from hyrisk_desktop.app import build_window, make_application\n"
        "from hyrisk_desktop.gui.application import Services; Services.start = lambda _: None\n"
        "from hyrisk_desktop.settings import Settings\n"
        "a = make_application(['x']); w, s = build_window(Settings(None), None); w.show(); a.processEvents()\n"
        f"print([m for m in {later} if m in sys.modules]); w.close()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_no_other_thread_loads_a_library_of_qts() -> None:
    """PySide ended the program where the printer's came along with what is seen later, while the window made a dialog."""
    code = (
        "import sys; from types import SimpleNamespace as Stub; from hyrisk_desktop.gui import application\n"
        "def qt(): return {m for m in sys.modules if m.startswith('PySide6.')}\n"
        "application.Services.get_rest_ready(Stub(runner=Stub(run_background=lambda job: None)))\n"
        "there = qt(); application._import_rest(); print(sorted(qt() - there))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_what_is_seen_later_is_imported_without_a_search_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """One over all that the imports made would keep the window waiting, and the thread that does it stands back for others."""
    from hyrisk_desktop.gui import application

    searching: list[bool] = []
    for name in application.SEEN_LATER:
        monkeypatch.delitem(sys.modules, f"hyrisk_desktop.gui.{name}", raising=False)
    monkeypatch.setattr(application.importlib, "import_module", lambda _: searching.append(gc.isenabled()))
    monkeypatch.setattr(gc, "freeze", lambda: searching.append(True))
    application._import_rest()
    assert searching == [False] * len(application.SEEN_LATER) + [True]
    assert gc.isenabled()
    monkeypatch.setattr(application, "SEEN_LATER", ())
    application._import_rest()
    assert searching[-2:] == [False, True], "where nothing is imported nothing is exempt"


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from hyrisk_desktop import __version__

    assert hyrisk(monkeypatch, capsys, "--version")[:2] == (0, __version__ + "\n")
