"""Mutants of the exam before, its change and its noise, of the generator of follow-ups, and of the whole heart in the window."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_COMPARE = "tests/unit/comparison/test_compare.py"
_NOISE = "tests/unit/comparison/test_noise.py"
_EARLIER = "tests/unit/worklist/test_earlier.py"
_WINDOW = "tests/gui/test_prior.py"
_FILES = "tests/unit/exchange/test_change.py"
_FOLLOW_UP = "tests/training/test_follow_up.py"
_HEART = "tests/gui/test_whole_heart.py"
_HEART_FILES = "tests/unit/exchange/test_whole_heart_files.py"

PRIOR = [
    *mutants(
        "hyrisk_desktop/cli/compare.py",
        "tests/unit/comparison/test_compare.py::test_the_command_says_of_each_change_whether_it_is_more_than_noise",
        ("    if noise is None:\n        return tr(\"noise not known\")\n", "    noise = noise or 9.0\n"),
    ),
    *mutants(
        "hyrisk_desktop/comparison/noise.py",
        _NOISE,
        ("_BAND * math.hypot(float(np.std(common[:, k])), float(np.std(missed[:, k])), scan)", "_BAND * math.hypot(float(np.std(common[:, k])), scan)"),
        ("SCAN_SD if seen else UNSEEN_SD", "SCAN_SD"),
        (" + sd**2\n", "\n"),
        ("density = (now[0] + then[0]) / total if total > 0 else 1.0", "density = 1.0"),
        ("_between_scans(_amounts(a), _amounts(b), sd)", "_between_scans(_amounts(a), _amounts(a), sd)"),
        ("excluded=excluded)", "excluded=())"),
        ("found[now.risk.head] = math.hypot(*((high", "found[now.risk.head] = sum(((high"),
        (" and now.risk.head == then.risk.head", ""),
        ("if current.contains(a) and prior.contains(b)]", "]"),
    ),
    *mutants(
        "hyrisk_desktop/comparison/change.py",
        _NOISE,
        ("2 * int(count * now / then / 2) + 1", "max(1, round(count * now / then))"),
        ("2 * int(count * now / then / 2) + 1", "2 * int(count * then / now / 2) + 1"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/registration.py",
        _COMPARE,
        ("return _moved(np.linalg.inv(self.matrix).astype(np.float64), mm)", "return _moved(self.matrix, mm)"),
        ("matrix[:3, 3] = _centre_mm(prior, prior_centre) - _centre_mm(current, centre)", "matrix[:3, 3] = 0"),
        ("            (_of_heart(middle), _HEART_HU_RANGE, HEART_MM),\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/worklist/earlier.py",
        _EARLIER,
        ("if exam.study_uid == plain(study_uid) and (day == own or not day or not own):", "if False:"),
        (" and (day == own or not day or not own):", ":"),
        ("_alike(exam.attributes, attributes) >= _alike(kept.attributes, attributes)", "True"),
        (', ExamRow.problem == ""', ""),
        (".where(SeriesRow.place == 0, SeriesRow.suitable)", ".where(SeriesRow.place == 0)"),
        ("        if value.strip()\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/prior/found.py",
        _EARLIER,
        ("reverse=True", "reverse=False"),
        ("many = len(exams) > MOST", "many = False"),
        ("if known(current) < _LEAST_KNOWN:", "if known(current) < 1:"),
        ("    if differ := differing(current, other):\n", "    if False:\n"),
    ),
    *mutants(
        "hyrisk_desktop/gui/prior/at_pacs.py",
        "tests/gui/test_prior_at_pacs.py",
        ("return None if not patient_id or set(\"*?\") & set(patient_id) else query", "return None if not patient_id else query"),
        ("or not self._pacs.settings[\"pacs_find_priors\"]", ""),
        ("if self._rests.get(node.name, 0.0) <= time.monotonic():", "if True:"),
        ("            if asked != self._asked:\n                return\n", ""),
        ("known = {study_uid} | {prior.study_uid for prior in self.found}", "known = {study_uid}"),
        ("known = {study_uid} | {prior.study_uid for prior in self.found}", "known = {prior.study_uid for prior in self.found}"),
        ("many = len(studies) > MOST", "many = len(studies) >= MOST"),
        ("    if not probable(attributes, theirs):\n        return None\n", ""),
        ("query = Query(patient_id, date_to=until)", "query = Query(patient_id)"),
        ("transfer.state is TransferState.DONE and transfer.total", "transfer.state is TransferState.DONE"),
        ("mine[-1].state in (TransferState.WAITING, TransferState.RUNNING)", "mine[-1].state is TransferState.WAITING"),
        ("            job.cancel()\n", "            pass\n"),
        ("pacs.nodes.changed.connect(self._rests.clear)", "pass"),
    ),
    *mutants(
        "hyrisk_desktop/gui/heart/commands.py",
        _HEART,
        ("        if plaque.id not in self.table.chosen:\n            self.table.choose({plaque.id})\n", ""),
        ("            if plaque.counted == plaques[0].counted:\n", "            if plaque is plaques[0]:\n"),
        ("            if plaque.vessel is None:\n                marks", "            if True:\n                marks"),
    ),
    *mutants(
        "hyrisk_desktop/gui/prior/service.py",
        _WINDOW,
        ("if p.study_uid not in here)", ")", "tests/gui/test_pacs.py"),
        ("        elif self._arrived:\n", "        elif False:\n", "tests/gui/test_pacs.py"),
        ("        elif wanted.node:\n", "        elif False:\n", "tests/gui/test_pacs.py"),
        ("        elif wanted.doubt and not sure:\n", "        elif False:\n"),
        ("            self._drop()\n            self.found_changed.emit()", "            self.found_changed.emit()"),
        ("self._worklist.ahead.reserve(loaded.exam.volume.hu.nbytes)", "self._worklist.ahead.reserve(0)"),
        ("if other.series_uid == current.series_uid:", "if False:"),
        ("            if whose == self._whose:\n                self._stored = found", "            if True:\n                self._stored = found"),
        ("session.read.centre is not None:\n            return", "False:\n            return"),
    ),
    *mutants(
        "hyrisk_desktop/gui/prior/comparing.py",
        _WINDOW,
        ("        self._session.comparison = None\n", ""),
        ("            if asked == self._wanted():\n", "            if True:\n", "", "the job was let go of already: a second lock on the one mistake that must never happen"),
    ),
    *mutants(
        "hyrisk_desktop/gui/prior/placing.py",
        _WINDOW,
        ("at + mm / step", "at - mm / step"),
        ("(x + x_mm, y + y_mm, z + z_mm)", "(x_mm, y_mm, z - z_mm)"),
    ),
    *mutants(
        "hyrisk_desktop/gui/prior/image.py",
        _WINDOW,
        ("        if not self._priors.linked:\n", "        if False:\n"),
        ("left, top = x - off_middle.x() * mm_per_pixel - width / 2", "left, top = x + off_middle.x() * mm_per_pixel - width / 2"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/change.py",
        _FILES,

        ("if dated else \"\"", ""),
        ("return change.difference is not None and not (", "return not ("),
        ("and not change.current and not change.prior)", "and not change.current)"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/deidentified/export.py",
        _FILES,
        (" comparison=None,", ""),
    ),
    *mutants(
        "model_training/phantom/follow_up.py",
        _FOLLOW_UP,
        ("(mm - pivot) @ self.turn.T + pivot + self.shift_mm", "(mm - pivot) @ self.turn + pivot + self.shift_mm"),
        ("self.lying(mm + self.heart_mm)", "self.lying(mm)"),
        ("back.SetTranslation((-later.turn.T @ later.lying(np.zeros(3))).tolist())", "back.SetTranslation((-later.turn.T @ later.shift_mm).tolist())"),
        ("timedelta(\n        days=later.years * DAYS_A_YEAR", "timedelta(\n        days=later.years"),
    ),
    *mutants(
        "model_training/phantom/render.py",
        _FOLLOW_UP,
        ("self.growth ** (1 / 3)", "self.growth"),
    ),
    *mutants(
        "hyrisk_desktop/gui/measured.py",
        _HEART,
        ("        if answer.request != self.heart_request():\n            return False\n", ""),
        ("self.heart.request.place == wanted.place", "True"),
    ),
    *mutants(
        "hyrisk_desktop/gui/overlay.py",
        _HEART,
        ("    if not plaque.counted:\n", "    if False:\n"),
        ("_SUGGESTED_ALPHA if plaque.vessel is None else _TAKEN_ALPHA", "_TAKEN_ALPHA"),
    ),
    *mutants(
        "hyrisk_desktop/calcium/whole_heart.py",
        _HEART,
        ("HeartMarks(taken, marks.counted - of, marks.excluded - of)", "HeartMarks(taken, marks.counted, marks.excluded)"),
        ("                and vessel_of.get(i) != NOT_CORONARY\n", ""),
        ("    if plaque.counted:\n        return replace(rest, excluded", "    if not plaque.counted:\n        return replace(rest, excluded"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/row_values.py",
        "tests/unit/worklist/test_whole_heart_rows.py",
        ("        edits[\"outlined\"] = True\n", "        edits[\"outlined\"] = False\n"),
        ("{\"on\": read.whole_heart, ", "{\"on\": False, "),
        ("(heart or results.get(\"calcium\") or {})", "(results.get(\"calcium\") or {})"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/sr_heart.py",
        _HEART_FILES,
        ("measurements=None if standing.withheld else numbers", "measurements=numbers"),
        ("[FindingSite(c.VESSELS[row.vessel])] if row.vessel in c.VESSELS else coronary()", "coronary()"),
        ("yes_no(c.SUGGESTED, row.suggested > 0)", "yes_no(c.SUGGESTED, row.lesions > 0)"),
    ),
]  # fmt: skip
