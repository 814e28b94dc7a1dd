"""Mutants of the desk: themes, settings, the panel of a small screen, views that come back, one window, the oblique plane."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_LOOKS = "tests/gui/test_appearance.py"
_SETTINGS = "tests/unit/test_settings_and_paths.py"
_DIALOG = "tests/gui/test_settings_dialog.py"
_START = "tests/gui/test_start_page.py"
_OBLIQUE = "tests/unit/imaging/test_oblique.py"
_OBLIQUE_WINDOW = "tests/gui/test_oblique.py"
_NOTES = "tests/unit/worklist/test_notes.py"
_KEYS = "tests/gui/test_key_images.py"

DESK = [
    *mutants(
        "hyrisk_desktop/gui/appearance.py",
        _LOOKS,
        ("max(own, TEXT_PX) / TEXT_PX", "own / TEXT_PX"),
        ('* settings["text_size"] / 100', ""),
        ("return (high + 0.05) / (low + 0.05)", "return high / (low + 0.05)"),
        ("found = found.lighter(110) if dark else found.darker(110)", "found = found.lighter(110)"),
    ),
    *mutants(
        "hyrisk_desktop/settings.py",
        _SETTINGS,
        ("self._values = dict(self.defaults)", "self._values = {row.key: row.default for row in TABLE}"),
        (
            "return {key: value for key, value in self._values.items() if value != self.defaults[key]}",
            "return dict(self._values)",
        ),
        ("if refused := sorted((stored or {}).keys() - usable.keys()):", "if refused := []:"),
        ('row["width"] >= 1 and', 'row["width"] >= 0 and'),
        ("-10_000 <= row[key] <= 10_000", "-10_000 <= row[key] <= 20_000"),
        ("return len(value) <= MOST_PRESETS and", "return"),
        ("len(keys) <= 4", "len(keys) <= 5"),
    ),
    *mutants(
        "hyrisk_desktop/gui/actions.py",
        _DIALOG,
        (
            "        if keys.matches(others) is not none or others.matches(keys) is not none\n",
            "        if keys == others\n",
        ),
        (
            "        if keys.matches(others) is not none or others.matches(keys) is not none\n",
            "        if keys.matches(others) is not none\n",
        ),
        ("                action.setShortcuts([])\n", "                pass\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/preferences/keys.py",
        _DIALOG,
        (
            "            self._own.pop(row.key, None)\n        else:",
            "            self._own[row.key] = keys\n        else:",
        ),
        ("        event.accept()\n", "        super().keyPressEvent(event)\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/preferences/dialog.py",
        _DIALOG,
        ("if self._settings[key] != value}", "}"),
        ("(*found, self.presets.problem(), self.keys.problem())", "(*found, self.presets.problem())"),
        (
            "        defaults = self._settings.defaults\n",
            '        defaults = {row.key: type(self._settings[row.key])() for row in self._rows} | {"shortcuts": {}, "presets": []}\n',
        ),
    ),
    *mutants(
        "hyrisk_desktop/gui/preferences/commands.py",
        _DIALOG,
        ('        if changed & {"prevalence", "device", "engine"}:\n', '        if changed & {"device", "engine"}:\n'),
        ('        if "reader" in changed:\n', "        if False:\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/panels/reading_panel.py",
        _LOOKS,
        ("compact = self._needed() > self.viewport().height()", "compact = False"),
        ("self._front = self._rest if watched.isHidden() else watched", "self._front = self._rest"),
        (
            "self._column.insertWidget(place, part.widget, part.stretch)",
            "self._pages[part.tabbed].layout().addWidget(part.widget)",
        ),
    ),
    *mutants(
        "hyrisk_desktop/gui/viewer/memory.py",
        _START,
        ("hashlib.sha256(exam.volume.series_uid.encode()).hexdigest()[:24]", "exam.volume.series_uid"),
        (
            "self._session.resume_view((x, y, z), level=level, width=width, slab_mm=slab)",
            "self._session.set_view(position=(x, y, z), level=level, width=width, slab_mm=slab)",
        ),
        ("            else:\n                view.fit()\n", ""),
        ("[-MOST:])", "[:MOST])"),
        ("if not (width >= 1 and", "if not (width >= 0 and"),
        ("        self._views = stored | self._views\n", "        self._views = self._views\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/session.py",
        _START,
        (
            "self.set_view(position=self.read.centre or position, **changes)",
            "self.set_view(position=position, **changes)",
        ),
    ),
    *mutants(
        "hyrisk_desktop/worklist/overview.py",
        "tests/unit/worklist/test_overview.py",
        ("ReadRow.grade.is_not(None),", ""),
        ("        ReadRow.reader_id == reader.reader_id,\n", ""),
        ("        ReadRow.blinded == ListRow.blinded,\n", ""),
        ("key=lambda row: row.stopped_at, reverse=True", "key=lambda row: row.stopped_at"),
    ),
    *mutants(
        "hyrisk_desktop/gui/start_page.py",
        _START,
        ('"" if row.reading_list.blinded else str(row.reading_list.root)', "str(row.reading_list.root)"),
        ("        wanted = self._session.exam is None\n", "        wanted = True\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/one_window.py",
        _START,
        (
            "        QLocalServer.removeServer(name)\n",
            "",
            _START,
            "with rights of its own Qt lets a socket take the place of what lies there, on Linux",
        ),
        ("        self.wanted.emit(Path(text) if text else None)\n", "        self.wanted.emit(Path(text))\n"),
        ("len(str(place).encode()) <= _LONGEST", "True"),
    ),
    *mutants(
        "hyrisk_desktop/gui/application.py",
        "tests/unit/cli/test_score.py -k library_of_qts",
        ("        qt_ahead()\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/demonstration.py",
        _START,
        (
            "            cancel.raise_if_cancelled()\n    try:\n        yield",
            "            pass\n    try:\n        yield",
            "",
            "it would wait for ever",
        ),
        (
            'f"demonstration-{__version__}-{GENERATOR_VERSION}"',
            'f"demonstration-{__version__}"',
            "tests/unit/test_demonstration.py",
        ),
        ('GENERATOR_VERSION = "1.4"', 'GENERATOR_VERSION = "1.3"', "tests/training/test_exam.py"),
    ),
    *mutants(
        "hyrisk_desktop/gui/services/job_runner.py",
        f"{_START}::test_it_is_made_while_nothing_is_open_and_an_exam_stops_that",
        (", weakref_slot=True)", ")"),
        ("if not waits and ((now", "if ((now", "tests/gui/test_job_runner.py"),
        ("done >= total > 0)", "done >= total)", "tests/gui/test_job_runner.py"),
        ("            waits = False\n            job", "            job", "tests/gui/test_job_runner.py"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/oblique.py",
        _OBLIQUE,
        (
            "at + (plane.right[axis] * u[None, :] + plane.down[axis] * v[:, None]) / mm",
            "at + (plane.right[axis] * u[None, :] + plane.down[axis] * v[:, None])",
        ),
        ("cval=AIR_HU", "cval=0"),
        ("order=1", "order=0"),
        ("along = dy_mm * math.cos(math.radians(turn_deg))", "along = dy_mm"),
        ("return (degrees + 90.0) % 180.0 - 90.0", "return degrees"),
        ("places[::-1]", "places"),
        ("math.cos(a) * math.sin(b), -math.cos(b)", "-math.cos(a) * math.sin(b), -math.cos(b)"),
    ),
    *mutants(
        "hyrisk_desktop/gui/viewer/oblique.py",
        _OBLIQUE_WINDOW,
        ("            self.image.clear()\n", "            pass\n"),
        ("        self.setMask(mask)\n", ""),
        ("session.exam_changed.connect(self._end)", "pass"),
        (
            "self._hu, self._fit, self._words, self._table = hu, fit_mm, words, None",
            "self._hu, self._fit, self._words = hu, fit_mm, words",
        ),
    ),
    *mutants(
        "hyrisk_desktop/worklist/notes.py",
        _NOTES,
        ("others = [one for one in self.key_images if one.z != image.z]", "others = list(self.key_images)"),
        ("if len(others) >= MOST_IMAGES:", "if len(others) > MOST_IMAGES:"),
        ("(*self.marks, mark)[-MOST_MARKS:]", "(*self.marks, mark)[:MOST_MARKS]"),
        ("top, left = max(0, y - ry), max(0, x - rx)", "top, left = y - ry, x - rx"),
        ("round(PROBE_MM / mm)", "round(PROBE_MM)"),
        (
            "(abs(a - b) * mm for a, b, mm in zip(self.start, self.end, volume.spacing_mm, strict=False))",
            "(abs(a - b) * volume.spacing_mm[0] for a, b in zip(self.start, self.end, strict=True))",
        ),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/key_images.py",
        "tests/unit/exchange/test_key_images.py",
        ("if 0 <= image.z < depth)", ")"),
        ("[image.z for image in chosen] or [report.measurement.centre[2]]", "[report.measurement.centre[2]]"),
        ("None if of.frame is None else [of.frame]", "None"),
        ("low = image.level - image.width / 2", "low = image.level - image.width"),
        ("if mark.z == image.z)\n    parts", ")\n    parts"),
        (
            "radius = PROBE_MM / np.asarray(report.volume.spacing_mm[:2])",
            "radius = PROBE_MM / np.asarray(report.volume.spacing_mm[1::-1])",
        ),
    ),
    *mutants(
        "hyrisk_desktop/exchange/deidentified/export.py",
        "tests/unit/exchange/test_key_images.py",
        ("comparison=None, notes=NO_NOTES,", "comparison=None,"),
    ),
    *mutants(
        "hyrisk_desktop/gui/notes/commands.py",
        _KEYS,
        (
            "            return session.exam is not None and session.exam.exam_id == exam_id\n",
            "            return True\n",
        ),
        (
            "next((one for one in images if one.z > at), images[0])",
            "next((one for one in images if one.z >= at), images[0])",
        ),
        ("a[0] / su - 0.5, a[1] / sv - 0.5", "a[0] / su, a[1] / sv"),
        (
            "if mark.z == z and near(mark)",
            "if near(mark)",
            "",
            "the marks of other slices lie elsewhere in the tests, as on most slices",
        ),
    ),
    *mutants(
        "hyrisk_desktop/gui/session.py",
        _KEYS,
        ("        if anew or not noted_only:\n", "        if True:\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/services/risk.py",
        _KEYS,
        ("if self._session.risk is not None and self._answered == request:", "if False:"),
    ),
    *mutants(
        "hyrisk_desktop/gui/viewer/slice_view.py",
        _KEYS,
        ("return self._ruler if self._ruler_index == self.index else None", "return self._ruler"),
    ),
    *mutants(
        "hyrisk_desktop/gui/viewer/desk.py",
        _KEYS,
        (
            "selected, kept = marks.centre_selected and axial, marks.kept if axial else ()",
            "selected, kept = marks.centre_selected and axial, marks.kept",
        ),
    ),
    *mutants(
        "hyrisk_desktop/gui/preferences/editors.py",
        _DIALOG,
        ("return self._given if shown == self._given_as else shown", "return shown"),
    ),
    *mutants(
        "hyrisk_desktop/gui/appearance.py",
        f"{_DIALOG} -k follows_at_once",
        ('float(application.property("textScale"))', 'settings["text_size"] / 100'),
    ),
    *mutants(
        "hyrisk_desktop/gui/letters.py",
        _DIALOG,
        (" - QSize(0, _FRAME_PX)", ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/start_page.py",
        _START,
        ("    action.changed.connect(name)\n", "", f"{_START} -k keys_that_hold"),
        ("if found == self._found:", "if not found:"),
        ("direction.LeftToRight if wide else direction.TopToBottom", "direction.LeftToRight", f"{_START} -k is_narrow"),
    ),
    *mutants(
        "hyrisk_desktop/app.py",
        _START,
        ("later = None if demonstration else OneWindow()", "later = OneWindow()"),
    ),
    *mutants(
        "hyrisk_desktop/gui/one_window.py",
        _START,
        ("        except OSError:\n", "        except KeyError:\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/panels/grade_panel.py",
        f"{_LOOKS} -k large_texts",
        ("button.sizeHint().width() if compact else 1", "1"),
    ),
    *mutants(
        "hyrisk_desktop/gui/worklist/dialogs/agreement_parts.py",
        "tests/gui/test_agreement.py -k counts_can",
        ("                item.setForeground(ink_on(ground))\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/export/printing.py",
        "tests/gui/test_key_images.py -k printed",
        ("== QPrinter.PrinterState.Error", "== QPrinter.PrinterState.Aborted"),
    ),
    *mutants(
        "hyrisk_desktop/gui/worklist/opening.py",
        "tests/gui/test_worklist.py -k windows_own_thread",
        (
            "return lambda context: load_stored(store, exam_id, context, entry)",
            "return lambda context: load_stored(store, exam_id, context, self.model.entry_of(exam_id))",
        ),
    ),
    *mutants(
        "hyrisk_desktop/gui/own_keys.py",
        "tests/gui/test_own_keys.py",
        ("    _own.clear()\n", ""),
        ("[key for key in known[row.key] if key not in row.shortcuts]", "list(known[row.key])"),
        ("if row.key in known and row.shortcuts:", "if row.key in known:"),
        ('rf"(?<![\\w+]){re.escape(key)}(?![\\w+])"', "re.escape(key)"),
    ),
    *mutants(
        "hyrisk_desktop/gui/appearance.py",
        "tests/gui/test_appearance.py",
        ("found.lightness() != (255 if dark else 0)", "found.lightness() not in (0, 255)"),
    ),
]
