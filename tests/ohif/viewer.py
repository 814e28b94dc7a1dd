"""OHIF in a browser: what a reader does there, and what the page then holds and paints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.ohif.browser import Browser
from tests.ohif.written import Group, Segment

_THUMBNAIL = "return [...document.querySelectorAll('[data-cy^=study-browser-thumbnail]')].find(e => e.querySelector('[data-cy=series-modality-label]').innerText.trim() === arguments[0])"
_BUTTON = "return [...document.querySelectorAll('button')].find(e => e.innerText.trim() === arguments[0])"
_BY_NAME = "return document.querySelector(`[data-cy=${arguments[0]}]`)"
# How many pixels of the viewport are not black, and how many are neither black nor grey.
_PAINTED = """
const canvas = document.querySelector('[data-cy=viewport-pane] canvas.cornerstone-canvas');
if (!canvas) return null;
const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
let bright = 0, coloured = 0;
for (let i = 0; i < data.length; i += 4) {
  const high = Math.max(data[i], data[i + 1], data[i + 2]), low = Math.min(data[i], data[i + 1], data[i + 2]);
  bright += high > 40; coloured += high - low > 60;
}
return {bright, coloured, all: data.length / 4};
"""
_LOADED_REPORT = (
    "return window.services.displaySetService.getActiveDisplaySets().find(d => d.Modality === 'SR')?.isLoaded"
)
_MEASUREMENTS = """
const report = window.services.displaySetService.getActiveDisplaySets().find(d => d.Modality === 'SR');
return report.measurements.map(m => ({
  name: m.TrackingIdentifier, uid: m.TrackingUniqueIdentifier, loaded: m.loaded, image: m.ReferencedSOPInstanceUID,
  numbers: m.labels.map(l => [l.label, l.value]),
}));
"""
_ANNOTATIONS = """
return window.cornerstoneTools.annotation.state.getAllAnnotations()
  .filter(a => a.metadata.toolName === 'DICOMSRDisplay')
  .map(a => ({uid: a.data.TrackingUniqueIdentifier, image: a.metadata.referencedImageId, points: a.data.handles.points.length}));
"""
# Outlines and lines of text that are on screen now.
_DRAWN = """
const layer = document.querySelector('[data-cy=viewport-pane] .viewport-element svg.svg-layer');
return {image: window.services.cornerstoneViewportService.getCornerstoneViewport(window.services.viewportGridService.getActiveViewportId()).getCurrentImageId(),
        outlines: layer.querySelectorAll('polyline, path, line').length,
        words: [...layer.querySelectorAll('tspan')].map(t => t.textContent)};
"""
_SEGMENTS = """
const counts = {}, found = window.cornerstoneTools.segmentation.state.getSegmentations()[0];
if (!found) return null;
for (const id of found.representationData.Labelmap.imageIds)
  for (const value of window.cornerstone.cache.getImage(id).voxelManager.getScalarData())
    if (value) counts[value] = (counts[value] || 0) + 1;
return Object.values(found.segments).map(s => ({number: s.segmentIndex, label: s.label, pixels: counts[s.segmentIndex] || 0}));
"""
_ROWS = "return [...document.querySelectorAll('[data-cy=data-row-title]')].map(e => e.innerText.trim().replace(/\\s+/g, ' '))"


class Viewer:
    """OHIF at ``url``; each step returns what is not as it should be, and takes pictures."""

    def __init__(self, browser: Browser, url: str, pictures: Path) -> None:
        self._browser, self._url, self._pictures = browser, url, pictures

    def open_study(self, study: str) -> None:
        self._browser.open(f"{self._url}/viewer?StudyInstanceUIDs={study}")
        self._image()
        for modality in ("CT", "SR", "SEG"):
            self._browser.wait(_THUMBNAIL, modality)
        if self._browser.script(_BUTTON, "Skip all"):
            self._browser.click(_BUTTON, "Skip all")
        self.picture("1-exam")

    def report(self, groups: list[Group]) -> list[str]:
        """Open the SR and go through its groups."""
        self._browser.double_click(_THUMBNAIL, "SR")
        self._browser.wait(_LOADED_REPORT)
        self._browser.wait(f"return (() => {{{_ANNOTATIONS}}})().length >= arguments[0]", len(groups), seconds=60)
        faults = self._questions()
        faults += _not_held(groups, self._browser.script(_MEASUREMENTS), self._browser.script(_ANNOTATIONS))
        # All the way round to the first: on a busy machine OHIF once did not draw that until another had been looked at.
        for number, group in (*[*enumerate(groups, 1)][1:], (1, groups[0])):
            self._browser.click(_BY_NAME, "viewport-action-arrows-right")
            faults += self._group(number, group)
        return faults

    def segmentation(self, segments: list[Segment]) -> list[str]:
        """Open the SEG, say yes, and look into the list of segments."""
        self._browser.double_click(_THUMBNAIL, "SEG")
        self._browser.wait(_BUTTON, "Yes")
        self._browser.click(_BUTTON, "Yes")
        self._browser.wait(f"return (() => {{{_SEGMENTS}}})()?.length")
        self._browser.click(_BY_NAME, "panelSegmentation-btn")
        rows = self._browser.wait(_ROWS)
        faults = [f"segment “{s.label}” is not in the list" for s in segments if s.label not in rows]
        held = {row["number"]: row for row in self._browser.script(_SEGMENTS)}
        for segment in segments:
            row = held.get(segment.number, {"label": None, "pixels": 0})
            if (row["label"], row["pixels"]) != (segment.label, segment.pixels):
                faults.append(f"segment {segment} is held as {row}")
        self._image()
        if not self._painted()["coloured"]:
            faults.append("no segment is painted")
        self.picture("3-segmentation")
        return faults

    def picture(self, name: str) -> None:
        time.sleep(1)  # what was just loaded is painted in the page's next frames
        self._browser.picture(self._pictures / f"{name}.png")

    def _group(self, number: int, group: Group) -> list[str]:
        """What is on screen once the arrow has led to this group."""
        # OHIF prints the first five only.
        wanted = {f"{what}: {value}" for what, value in group.numbers[:5]}
        deadline = time.monotonic() + 20
        while group.image not in (drawn := self._browser.script(_DRAWN))["image"] or not wanted <= {*drawn["words"]}:
            if time.monotonic() > deadline:
                self.picture(f"0-fault-{number:02d}")
                return [f"{group.name}: {sorted(wanted)} is not what is on screen: {drawn}"]
            time.sleep(0.3)
        self._image()
        self.picture(f"2-report-{number:02d}-{group.name.lower().replace(' ', '-')}")
        return [] if drawn["outlines"] else [f"{group.name}: no outline is drawn"]

    def _questions(self) -> list[str]:
        """OHIF asks whether to track what it takes for outlines of its own tools, and would compute other areas for them."""
        time.sleep(2)
        return ["OHIF asks whether to track measurements"] if self._browser.script(_BUTTON, "Yes") else []

    def _image(self) -> None:
        """Wait until the viewport is not black."""
        deadline = time.monotonic() + 120
        while not (painted := self._painted()) or painted["bright"] < painted["all"] / 20:
            assert time.monotonic() < deadline, f"the viewport stays black: {painted}"
            time.sleep(0.5)

    def _painted(self) -> Any:
        return self._browser.script(_PAINTED)


def _not_held(groups: list[Group], measurements: list[Any], annotations: list[Any]) -> list[str]:
    faults = []
    held = {row["uid"]: row for row in measurements}
    outlined = {row["uid"]: row for row in annotations}
    if len(measurements) != len(groups):
        faults.append(f"{len(groups)} groups were written, {len(measurements)} are held")
    for group in groups:
        row, outline = held.get(group.uid), outlined.get(group.uid)
        if row is None or not row["loaded"] or row["name"] != group.name:
            faults.append(f"{group.name} is not loaded: {row}")
        elif missing := [number for number in group.numbers if list(number) not in row["numbers"]]:
            faults.append(f"{group.name} lacks {missing}")
        if outline is None or group.image not in outline["image"] or outline["points"] != group.points:
            faults.append(f"{group.name}: {group.points} corners on {group.image}, but {outline}")
    return faults
