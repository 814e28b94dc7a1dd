"""OHIF's own build opens an exam, its SR and its SEG from Orthanc: ``python -m tests.ohif CACHE [--exam FOLDER --center X Y Z]``.

By hand and not in CI, as it needs npm, Debian's packages chromium and chromium-driver, and the network once: CACHE keeps what npm
brought. Without an exam it draws a synthetic one. The pictures that it takes are there to be looked at.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers import orthanc
from tests.ohif import browser, site
from tests.ohif.viewer import Viewer
from tests.ohif.written import groups_of, segments_of, study_of

_ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Tell the story; 0 where OHIF shows all that was written."""
    options = _options()
    options.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hyrisk-ohif-") as name:
        work = Path(name)
        exam, centre = (options.exam, options.center) if options.exam else _phantom(work / "phantom")
        sr, seg = _scored(work, exam, centre, options.grade)
        built = site.ohif(options.cache, options.version)
        with orthanc.running(work / "orthanc", orthanc.free_port()) as pacs:
            pacs.put_files([*sorted(exam.rglob("*.dcm")), sr, seg])
            with site.served(built, pacs) as url, browser.running(work) as window:
                faults = _told(Viewer(window, url, options.pictures), sr, seg)
    for fault in faults:
        print(f"FAULT  {fault}")  # noqa: T201
    print(f"OHIF {options.version}: {len(faults)} faults; pictures in {options.pictures}")  # noqa: T201
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.ohif", description=__doc__)
    parser.add_argument("cache", type=Path, help="a folder outside of the repository for OHIF's files")
    parser.add_argument("--version", default=site.VERSION, help=f"of @ohif/app; default: {site.VERSION}")
    parser.add_argument("--exam", type=Path, help="a folder of DICOM files (*.dcm); default: a synthetic exam")
    parser.add_argument("--center", type=int, nargs=3, metavar=("X", "Y", "Z"), help="its heart centre")
    parser.add_argument("--grade", default="2", help="the reader's, 0 to 3")
    parser.add_argument("--pictures", type=Path, default=_ROOT / "scratch" / "ohif")
    options = parser.parse_args()
    if options.exam and not options.center:
        parser.error("--exam needs --center")
    if options.cache.resolve().is_relative_to(_ROOT):
        parser.error("OHIF's files do not belong into the repository")
    return options


def _hyrisk(*words: object) -> None:
    command = [sys.executable, "-m", "hyrisk_desktop.cli", *map(str, words)]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(
            f"{command[-3:]} ended with {ended.returncode}:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
        )


def _phantom(folder: Path) -> tuple[Path, list[int]]:
    _hyrisk("phantom", "exam", "--out", folder)
    known = json.loads((folder / "heart_centre.json").read_text(encoding="utf-8"))
    return folder, [known["x"], known["y"], known["z"]]


def _scored(work: Path, exam: Path, centre: list[int], grade: str) -> tuple[Path, Path]:
    sr, seg = work / "sr.dcm", work / "seg.dcm"
    reading = ["--center", *centre, "--grade", grade, "--whole-heart", "--reader", "Story^OHIF"]
    _hyrisk("score", exam, *reading, "--sr", sr, "--seg", seg)
    return sr, seg


def _told(viewer: Viewer, sr: Path, seg: Path) -> list[str]:
    try:
        viewer.open_study(study_of(sr))
        return [*viewer.report(groups_of(sr)), *viewer.segmentation(segments_of(seg))]
    except AssertionError as e:
        viewer.picture("0-where-it-ended")
        return [str(e)]


if __name__ == "__main__":
    sys.exit(main())
