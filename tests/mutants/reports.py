"""Mutants of structured report and segmentation, on the way out and on the way back."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_OUTLINES = "tests/unit/exchange/test_outlines.py"
_SR = "tests/unit/exchange/test_structured_report.py"
_SEG = "tests/unit/exchange/test_outlines.py tests/unit/exchange/test_segmentation.py"

REPORTS = [
    *mutants(
        "hyrisk_desktop/exchange/reports/outline.py",
        _OUTLINES,
        ("points = np.asarray(corners, np.float64) - 1.5", "points = np.asarray(corners, np.float64) - 1.0"),
        ("    if ahead_left:\n", "    if ahead_left and ahead_right:\n"),
        ("        2: ((x - 1, y), (x - 1, y - 1)),", "        2: ((x - 1, y - 1), (x - 1, y)),"),
        ("        if turn:\n", "        if True:\n"),
        ("np.vstack((points, points[:1]))", "points", "", "the start is the first pixel's top left corner, where the outline always turns, so that it is the last corner too"),
        ("        if at == start and heading == 0:", "        if at == start:", "", "a second way through the start would need a pixel before the first one"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/structured_report.py",
        f"{_OUTLINES} {_SR}",
        ("mask = scores.labels[lesion.slice - z0] == index + 1", "mask = scores.labels[lesion.slice - z0] > 0"),
        ("mask = scores.labels[lesion.slice - z0] == index + 1", "mask = scores.labels[lesion.slice - z0] == index"),
        ("(source.column_row(xy) + 0.5)", "source.column_row(xy)"),
        ("outline(mask) + np.array((x0, y0))", "outline(mask) + np.array((y0, x0))"),
        ("(x0, y1), (x0, y0)], float) - 0.5", "(x0, y1), (x0, y0)], float)"),
        ("for z in range(z0, z1)]", "for z in range(z0, z1 - 1)]"),
        ("_NEAR_SLICES = 2", "_NEAR_SLICES = 1"),
        ("evidence = source.images(sorted({*slices, *near}))", "evidence = source.images(sorted({*near}))"),
        ("number(ends[0], low)", "number(ends[0], high)"),
        ("number(c.MAXIMUM_HU, lesion.max_hu, c.HU_UNIT)", "number(c.MAXIMUM_HU, lesion.mean_hu, c.HU_UNIT)"),
        ("yes_no(c.EXCLUDED, lesion.excluded)", "yes_no(c.EXCLUDED, lesion.cut_by_border)"),
        ("text(c.REGION_START, triple(scores.region.start))", "text(c.REGION_START, triple(inside.start))"),
        ("text(c.CENTRE, triple(m.centre))", "text(c.CENTRE, triple(m.centre[::-1]))"),
        ("number(c.RISKNET, risk.risknet)", "number(c.RISKNET, risk.risk)"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/sr_items.py",
        _SR,
        ("value=c.YES if yes else c.NO", "value=c.NO if yes else c.YES"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/source_images.py",
        _SEG,
        ("view = turned[:: -1 if self.grid.flip_y else 1, :: -1 if self.grid.flip_x else 1]", "view = turned[:: -1 if self.grid.flip_x else 1, :: -1 if self.grid.flip_y else 1]"),
        ("x = width - 1 - x if self.grid.flip_x else x", "x = width - x if self.grid.flip_x else x"),
        ("(self.rows, self.columns) if self.grid.transpose else (self.columns, self.rows)", "(self.columns, self.rows)"),
        ("np.column_stack((y, x) if self.grid.transpose else (x, y))", "np.column_stack((x, y))"),
        ("(step_x, step_y) if grid.transpose else (step_y, step_x)", "(step_x, step_y)"),
        ("        row, column = column, row\n", "        pass\n"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/segmentation.py",
        _SEG,
        ("kept = np.array([False, *(not lesion.excluded for", "kept = np.array([False, *(True for"),
        ("counted[z : z + depth, y : y + rows, x : x + columns]", "counted[z : z + depth, x : x + rows, y : y + columns]"),
        ("stored[n, :, :, segment] = source.stored(mask[z])", "stored[n, :, :, segment] = mask[z] if mask[z].shape == stored.shape[1:3] else source.stored(mask[z])"),
        ("found[segment - 1, z] |= source.grid.turn(mask)", "found[segment - 1, z] = source.grid.turn(mask) if segment == 1 else found[1, z]"),
        ("_PLACE_MM = 0.01", "_PLACE_MM = 0.02"),
        ("        if self.series_uid != source.study.SeriesInstanceUID:", "        if False:"),
        ("    if {match[1] for match in held if match} != {digest_of(seg)}:", "    if False:"),
        ("region[scores.region.clipped(report.volume).slices()] = True", "region[scores.region.clipped(report.volume).slices()[0]] = True"),
        ('source.slices[z].position_mm) for z in slices]', 'source.slices[z].position_mm) for z in reversed(slices)]'),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/structured_report_reader.py",
        f"{_SR} {_OUTLINES}",
        ("        if item.TextValue != digest_of(sr):", "        if False:"),
        ('sr.get("ManufacturerModelName") != PRODUCT or item is None:', "item is None:"),
        ("float(measured.NumericValue if exact is None else exact)", "float(measured.NumericValue)"),
        ("[group[_key(end)] for end in ends]", "[group[_key(end)] for end in ends[::-1]]"),
        ("region_start=_voxel(scores[_key(c.REGION_START)])", "region_start=_voxel(scores[_key(c.CENTRE)])"),
        ("for lesion in self.lesions if lesion.excluded)", "for lesion in self.lesions if not lesion.excluded)"),
        ("        if series_uid != self.series_uid:", "        if False:"),
        ("cut_by_border=_yes(group[_key(c.CUT)])", "cut_by_border=_yes(group[_key(c.EXCLUDED)])"),
        ("drawn=_yes(scores[_key(c.DRAWN)])", "drawn=False"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/digest.py",
        f"{_SR} tests/unit/exchange/test_segmentation.py",
        ("        return hashlib.sha256(value).hexdigest()\n    if vr", '        return ""\n    if vr'),
        ("        return repr(float(value))", '        return f"{float(value):.4f}"'),
        ("return [int(element.tag), [_dataset(item) for item in element.value]]", "return [int(element.tag), [_dataset(item) for item in element.value[:1]]]"),
    ),
]  # fmt: skip
