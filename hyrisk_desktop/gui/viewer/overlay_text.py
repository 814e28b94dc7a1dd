"""The corner texts of the views, as radiology workstations lay them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyrisk_desktop.gui.state import Exam, Tool, ViewState
from hyrisk_desktop.gui.viewer.display import Plane, PlaneGeometry
from hyrisk_desktop.i18n import day_text, decimal, tr
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.worklist.notes import PROBE_MM, disc_hu


@dataclass(frozen=True, slots=True)
class Corners:
    """Lines of the four corners, top to bottom."""

    top_left: tuple[str, ...]
    top_right: tuple[str, ...]
    bottom_left: tuple[str, ...]
    bottom_right: tuple[str, ...]


def person_name(text: str) -> str:
    """DICOM PN ``Family^Given^Middle^Prefix^Suffix`` -> ``Family, Given Middle``."""
    family, _, rest = text.split("=")[0].partition("^")
    given = " ".join(part for part in rest.split("^")[:2] if part)
    return f"{family}, {given}" if given else family


def technique(a: Mapping[str, str], volume: CTVolume) -> tuple[str, ...]:
    """Tube, kernel and slices in two lines; what the header lacks is left out."""
    tube = " · ".join(
        text
        for text in (
            tr("{kvp} kVp", kvp=_short(a["KVP"])) if a.get("KVP") else "",
            tr("{mas} mAs", mas=_short(a["Exposure"])) if a.get("Exposure") else "",
            a.get("ConvolutionKernel", ""),
        )
        if text
    )
    thickness = tr("{mm} mm thick", mm=_short(a["SliceThickness"])) if a.get("SliceThickness") else ""
    increment = tr("increment {mm:.2f} mm", mm=volume.spacing_mm[2])
    pixel = tr("pixel {mm:.3f} mm", mm=volume.spacing_mm[0])
    # A narrow view breaks the line between these, and not within one.
    parts = (t.replace(" ", "\N{NO-BREAK SPACE}") for t in (thickness, increment, pixel) if t)
    return tube, " · ".join(parts)


def _short(number: str) -> str:
    try:
        return decimal(float(number), "g")
    except ValueError:
        return number


def axial_corners(exam: Exam, view: ViewState, zoom: float, under_pointer: str, *, blinded: bool = False) -> Corners:
    """Patient top left, study top right, technique bottom left, slice and window bottom right.

    Slices are numbered as everywhere else in the program, in its tables, files and coordinates: z, from 0. A blinded reader sees neither who was scanned nor when or where.

    Args:
        exam, view: what is on screen, and how. zoom: screen pixels per image pixel.
        under_pointer: `pointer_text`. blinded: whether names, dates and places are hidden.
    """
    a, volume = exam.volume.attributes, exam.volume
    who = (
        person_name(a.get("PatientName", "")),
        tr("ID {id}", id=a["PatientID"]) if a.get("PatientID") else "",
        " · ".join(t for t in (a.get("PatientSex", ""), a.get("PatientAge", "")) if t),
    )
    what = (
        day_text(a.get("StudyDate", "")),
        a.get("StudyDescription", ""),
        a.get("SeriesDescription", ""),
        a.get("InstitutionName", "") or a.get("Manufacturer", ""),
    )
    z = view.position[2]
    depth = volume.shape_zyx[0]
    if blinded:
        who, what = (tr("Blinded"), "", ""), ("", "", a.get("SeriesDescription", ""), a.get("Manufacturer", ""))
    where = (
        slab_text(PlaneGeometry(Plane.AXIAL, volume.shape_zyx, volume.spacing_mm), view),
        tr("Slice {z} (0–{last})", z=z, last=depth - 1),
        tr("{mm:.1f} mm", mm=volume.voxel_to_mm(view.position)[2]),
        tr("Zoom {zoom:.0f}%", zoom=100 * zoom),
        tr("W {width:.0f}  L {level:.0f}", width=view.width, level=view.level),
    )
    return Corners(who, what, (*under_pointer.split("\n"), *technique(a, volume)), where)


def side_corners(geometry: PlaneGeometry, view: ViewState) -> Corners:
    """The reformatted planes say only what they are and where."""
    index = round(geometry.to_plane(view.position)[2])
    name = tr("Coronal") if geometry.plane is Plane.CORONAL else tr("Sagittal")
    axis = "y" if geometry.plane is Plane.CORONAL else "x"
    where = tr("{axis} {index} (0–{last})", axis=axis, index=index, last=geometry.count - 1)
    return Corners((name,), (where, slab_text(geometry, view)), (), ())


def slab_text(geometry: PlaneGeometry, view: ViewState) -> str:
    """What a maximum intensity projection covers in this plane; empty for a single slice."""
    slices = geometry.slab_slices(view.slab_mm)
    normal = {Plane.AXIAL: 2, Plane.CORONAL: 1, Plane.SAGITTAL: 0}[geometry.plane]
    return tr("MIP {mm:.1f} mm", mm=slices * geometry.spacing_mm[normal]) if slices > 1 else ""


def pointer_text(volume: CTVolume, voxel: Voxel | None, view: ViewState) -> str:
    """HU under the pointer; with the probe in hand, mean and SD of the axial disc around it too, on a line of their own.

    While a slab is shown the picture is a maximum, so the text says that its value is the single voxel's.

    Args:
        volume, voxel: what lies under the pointer. view: what is shown, with which tool in hand.
    """
    if voxel is None or not volume.contains(voxel):
        return ""
    x, y, z = voxel
    what = tr("HU (this voxel, not the MIP)") if view.slab_mm > 0 else tr("HU")
    text = tr("({x}, {y}, {z})  {hu:.0f} {what}", x=x, y=y, z=z, hu=volume.hu[z, y, x], what=what)
    if view.tool is not Tool.PROBE:
        return text
    values = disc_hu(volume, x, y, z)
    of_disc = tr("⌀ {mm:.0f} mm: mean {mean:.0f}, SD {sd:.0f} HU", mm=2 * PROBE_MM, mean=values.mean(), sd=values.std())
    return f"{text}\n{of_disc}"
