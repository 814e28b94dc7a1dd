"""Mutants of several desks at one list: news, presence, conflicts, lasting and kept results, reads that wait, agreement of many."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_DESKS = "tests/unit/worklist/test_desks.py"
_LASTING = "tests/unit/worklist/test_lasting.py"
_KEEPING = "tests/unit/worklist/test_keeping.py"
_UNSAVED = "tests/unit/worklist/test_unsaved.py"
_MANY = "tests/unit/worklist/test_agreement_many.py"
_WINDOW = "tests/gui/test_other_desks.py"
_SERVICE = "tests/gui/test_unsaved_reads.py"

DESKS = [
    *mutants(
        "hyrisk_desktop/worklist/changes.py",
        _DESKS,
        ("ListExamRow | PreparedRow | ReadRow", "ListExamRow | PreparedRow"),
        ("touched.desks |= row not in changed or _sits_elsewhere(row)", "touched.desks = True"),
        ("for row in (*flushed.new, *changed, *flushed.deleted):", "for row in (*flushed.new, *changed):"),
        ("(session.scalar(select(func.max(ChangeRow.number))) or 0) + 1", "1"),
        ("NOBODY if exam_id in unheard else desk", "desk"),
        ("ChangeRow.number > heard, ", ""),
        ("max(len(ids), int(touched.desks)), _IDS_A_TIME)", "len(ids), _IDS_A_TIME)"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/feeds.py",
        _DESKS,
        ("if row.desk != self._database.desk)", "if row.desk)"),
        ('if told["desk"] != own:', "if True:"),
        ("            news |= News(everything=True)", "            pass"),
        ("columns.where(DeskRow.token != self._database.desk)", "columns"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/desks.py",
        _DESKS,
        ("DeskRow.seen_at >= at - DEAD_S", "DeskRow.seen_at >= at - DEAD_S / 2"),
        ("DeskRow.token != own, DeskRow.seen_at >= at - DEAD_S", "DeskRow.token != own"),
        ("DeskRow.seen_at < at - _FORGOTTEN_S", "DeskRow.seen_at < 0"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/exam_rows.py",
        _DESKS,
        ("others = {} if blinded or reader is None else", "others = {} if reader is None else"),
        ("ReadRow.blinded.is_(False), ReadRow.grade.is_not(None)", "ReadRow.grade.is_not(None)"),
        ("ReadRow.blinded.is_(False), ReadRow.grade.is_not(None)", "ReadRow.blinded.is_(False)"),
        ("        .where(ReadRow.reader_id != reader.reader_id)\n", ""),
        ("prepared.series_uid == chosen != plain(series_uid)", "chosen != plain(series_uid)", _LASTING),
    ),
    *mutants(
        "hyrisk_desktop/worklist/lasting.py",
        _LASTING,
        ('("centre", "grade", "excluded")', '("centre", "excluded")'),
        (
            '("centre", "profile", "excluded", "whole_heart", "heart")',
            '("centre", "profile", "excluded", "whole_heart")',
        ),
        ('("centre", "box", "profile", "excluded")', '("centre", "profile", "excluded")'),
        ("before is None or before.series_uid != read.series_uid", "before is None"),
        ("f.code in codes and f.code not in here", "f.code in codes"),
        ('if read.content_sha256 in ("", before.content_sha256):', "if True:"),
        ("codes |= OF_THE_RISK | {SHOWN_ANYWAY}", "codes |= OF_THE_RISK"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/keeping.py",
        _KEEPING,
        ("(stored.unconfirmed and made.centre_proposed)", "made.centre_proposed"),
        ("return made if made.centre_proposed else None", "return made"),
        ("if value and not stored.results.get(part)]", "if value]"),
        ('"whole_heart" in lacks and stored.heart != NO_MARKS', "False"),
        ('"excluded", "box", "profile")', '"excluded", "box")'),
        ("if not f.code.startswith(OF_NO_RISK)))", "if f.code))"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/unsaved.py",
        _UNSAVED,
        ('document["worklist"] != self._worklist', "False"),
        ("        if key in self._files:\n", "        if False:\n"),
        ("== waiting.reader.name and", "is not None and"),
        ("self._files.get(key) or self._new_name()", "self._new_name()"),
        ("if path.stem == self._token:", "if False:", "", "a lock that this program holds is refused to it as well"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/agreement_many.py",
        _MANY,
        (
            "counts**2).sum(axis=1) - readers) / (readers * (readers - 1))\n    return float",
            "counts**2).sum(axis=1) - readers) / readers**2\n    return float",
        ),
        ("np.cumsum(frequency, axis=1) - frequency / 2", "np.cumsum(frequency, axis=1)"),
        ("2 * (m * squares - total**2) / (m - 1)", "2 * (m * squares - total**2) / m"),
        ("centred = table - np.nanmean(table)", "centred = table"),
        ("rng.multinomial(n, times / n,", "rng.multinomial(n, np.full(len(times), 1 / len(times)),"),
        ("if r.blinded != blinded} if mixed else {}", "if r.blinded != blinded}"),
        (
            "return other | {r.exam_id: r for r in mine if r.blinded == blinded}",
            "return {r.exam_id: r for r in mine if r.blinded == blinded} | other",
        ),
        ("None if read.centre_proposed or withheld else read.results", "None if withheld else read.results"),
        (
            "None if read.centre_proposed or withheld else read.results",
            "None if read.centre_proposed else read.results",
        ),
        ("                row[:] = np.nan\n", "                pass\n"),
        ("_score_agreement(alike(lambda", "_score_agreement(table(lambda"),
        ("left_out=_compared(table(_any_region))", "left_out=_compared(table(region_agatston))"),
    ),
    *mutants(
        "hyrisk_desktop/gui/worklist/other_desks.py",
        _WINDOW,
        (
            "if self._list is not None and not self._list.blinded:",
            "if self._list is not None:",
            "",
            "the cells of a blinded row hide it once more",
        ),
        ("if desk.exam_id is not None and not desk.blinded:", "if desk.exam_id is not None:"),
        ("if any(d.reader == self._reader for d in here)", "if here"),
    ),
    *mutants(
        "hyrisk_desktop/gui/worklist/read_keeper.py",
        _WINDOW,
        (
            "            if self._asked:\n                # What has been",
            "            if False:\n                # What has been",
        ),
        ("                self._missed = True\n", ""),
        ("            if waits or self._disputed:", "            if self._disputed:"),
        ("            if waits or self._disputed:", "            if waits:"),
        ("            if waits or self._disputed:", "            if waits or self._disputed or self._differs():"),
        (
            "nobody tells of this change again.\n            self._missed = True\n",
            "nobody tells of this change again.\n",
        ),
        (" and here and session.read == before", " and here"),
        (
            "read.revision > self._revision:",
            "read.revision >= 0:",
            "",
            "taking what is shown already changes nothing that is stored or shown",
        ),
    ),
    *mutants(
        "hyrisk_desktop/gui/worklist/commands.py",
        _WINDOW,
        ("if state_of(mine) == state_of(given_up):", "if True:"),
        ("None if button is replace else latest[0]", "latest[0]"),
        ("None if button is replace else latest[0]", "None"),
    ),
    *mutants(
        "hyrisk_desktop/gui/services/store.py",
        _SERVICE,
        ("store.base_on(read, reader, waiting.based_on)", "pass"),
        (
            "            # Until the reader has answered.\n            self._write_down(read, reader)\n",
            "            self._disk().drop(key)\n",
        ),
        (
            "if self._retry.isActive():\n            # It will be",
            "if False:\n            # It will be",
            "",
            "it is tried at once then, and written down on the way: only more is asked of a server that is away",
        ),
        ("-1 if known is None else known", "-1"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/store.py",
        _WINDOW,
        ("                    self._note_refused(session, e.newer, read, reader)\n", ""),
    ),
]
