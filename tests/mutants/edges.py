"""Mutants that random ones showed to be missing: edges of reports, images, the session, bulk scoring, validation and the PACS."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_REPORTS = "tests/unit/exchange/"
_IMAGING = "tests/unit/imaging/"
_SESSION = "tests/gui/test_session.py"
_VALIDATE = "tests/training/test_validate.py"
_HERE = "tests/unit/risk/test_bundle.py::test_the_folder_that_one_stands_in_is_a_bundle"

EDGES = [
    *mutants(
        "hyrisk_desktop/exchange/reports/fhir.py",
        f"{_REPORTS}test_change.py",
        ("    if report.comparison is not None:\n        results.append", "    if False:\n        results.append"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/safe_reading.py",
        f"{_REPORTS}test_structured_report.py::test_foreign_and_damaged_objects_are_refused",
        ("why=e.strerror or type(e).__name__", "why=type(e).__name__"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/pdf_identity.py",
        f"{_REPORTS}test_pdf.py::test_the_age_at_the_study",
        ("or born > study:", "or born >= study:"),
        ("or born > study:", ":"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/headers/tags.py",
        f"{_IMAGING}test_find.py",
        ("if tag == _PIXEL_DATA else (-1, -1)", "if True else (-1, -1)"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/headers/attributes.py",
        f"{_IMAGING}test_usable.py",
        (
            "if header.big_endian or header.syntax == DEFLATED_LE or header.pixel_offset < 0:",
            "if True:",
            "",
            "what is parsed in vain says the same",
        ),
    ),
    *mutants(
        "hyrisk_desktop/imaging/pixels/detached.py",
        f"{_IMAGING}test_detached.py",
        ("if len(line) > _MAX_LINE or", "if len(line) >= _MAX_LINE or"),
        ("if len(line) > _MAX_LINE or", "if len(line) > _MAX_LINE + 1 or"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/pixels/single_frame.py",
        f"{_IMAGING}test_slab.py",
        ("    if headers != record.headers:\n", "    if True:\n", "", "headers that are the same make the same stack anew"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/pixels/sharing.py",
        f"{_IMAGING}test_sharing.py",
        (
            "        self.prepare()\n        self.work(_BACK)\n",
            "        self.prepare()\n",
            "",
            "the other thread then does it alone, in more time",
        ),
    ),
    *mutants(
        "hyrisk_desktop/imaging/pixels/decoder_pool.py",
        f"{_IMAGING}test_decode.py::test_a_child_that_has_answered_is_asked_again",
        ("            self._give_back(c for c in children if c not in busy)", "            pass"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/pixels/decoder_child.py",
        f"{_IMAGING}test_decode.py::test_an_image_file_of_one_slice_keeps_its_rows",
        ("while values.ndim > 3 and values.shape[0] == 1:", "while values.shape[0] == 1:"),
    ),
    *mutants(
        "hyrisk_desktop/batch/on_cluster.py",
        "tests/unit/batch/test_on_cluster.py::test_a_few_exams_a_thread_are_on_their_way_and_more_once_workers_come",
        ("if time.monotonic() - self._looked > _LOOK_S:", "if False:"),
        ("if time.monotonic() - self._looked > _LOOK_S:", "if True:"),
        ("max(_LEAST_AHEAD, _PER_THREAD * sum(", "max(_LEAST_AHEAD, sum("),
    ),
    *mutants(
        "model_training/validation/cases.py",
        f"{_VALIDATE}::test_another_readers_clicks_reach_equally_far_to_every_side",
        ("rng.integers(-CLICK_SHIFT_SLICES, CLICK_SHIFT_SLICES + 1)", "rng.integers(-CLICK_SHIFT_SLICES, CLICK_SHIFT_SLICES)"),
        ("rng.integers(-CLICK_SHIFT_PX, CLICK_SHIFT_PX + 1, 2)", "rng.integers(-CLICK_SHIFT_PX, CLICK_SHIFT_PX, 2)"),
    ),
    *mutants(
        "model_training/validation/page.py",
        f"{_VALIDATE}::test_each_row_of_a_table_has_the_cells_of_its_head",
        ("header[:3], [row[:3] for row in rows]", "header[:3], rows"),
    ),
    *mutants(
        "hyrisk_desktop/gui/session.py",
        _SESSION,
        (
            "if self.risk is None and self.risk_status in (RiskStatus.READY, RiskStatus.COMPUTING, RiskStatus.FAILED):",
            "if self.risk is None:",
        ),
        ("not 0 <= index < len(self.scores.lesions):", "not 0 <= index <= len(self.scores.lesions):"),
        ("not 0 <= index < len(self.scores.lesions):", "not index < len(self.scores.lesions):"),
        ("self.exam is not None and self.exam.exam_id == exam.exam_id and self.exam.loading", "self.exam is not None and self.exam.loading"),
    ),
    *mutants(
        "hyrisk_desktop/gui/measured.py",
        _SESSION,
        ("if stale or not self.explaining or self.risk is None or", "if stale or not self.explaining or", "tests/gui/test_explaining.py"),
        ('        self._without_risk = (RiskStatus.NO_CENTRE, "") if model else (RiskStatus.NO_MODEL, message)\n', ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/services/explain.py",
        "tests/gui/test_explaining.py::test_what_is_explained_is_not_explained_again",
        ("            or session.explanation is not None\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/services/exam_loader.py",
        "tests/gui/test_opening.py::test_why_no_series_can_be_scored_is_said",
        ("            records[0].reason if records else tr(", "            tr("),
    ),
    *mutants(
        "hyrisk_desktop/gui/export/restoring.py",
        "tests/gui/test_restore_reading.py::test_what_was_to_be_restored_is_forgotten_with_a_cancelled_opening",
        ("        loader.abandoned.connect(self._forget_wanted)\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/services/risk.py",
        _SESSION,
        ("if self._predictor is None and self._session.risk is None:", "if self._predictor is None:"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/pacs/sending.py",
        f"{_REPORTS}pacs/test_sending.py::test_a_confirmation_where_it_was_asked_for_is_waited_for",
        ("            if receiver is None:\n                _wait(outbox, items, wait_s, cancel)\n", ""),
        ("        outbox.report(confirmation_of(event.event_information))\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/exchange/pacs/archive.py",
        f"{_REPORTS}pacs/test_queries.py::test_without_the_libraries_it_is_said_what_to_install",
        ("    require_pacs()\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/files.py",
        "tests/unit/test_files.py",
        ("    if target.exists() and not target.is_file():\n", "    if False:\n"),
        ("    if target.is_dir():\n        raise", "    if False:\n        raise"),
        ("    path = path.resolve()\n    part", "    part"),
        ("        parts.append((_part_of(place), place))", "        parts.append((part_beside(place), place))"),
        ("if not target.exists() and (previous_of(target) / needed)", "if (previous_of(target) / needed)", _HERE),
    ),
    *mutants("hyrisk_desktop/risk/bundle.py", _HERE, ("    directory = directory.absolute()  # “.” has no name\n", "")),
    *mutants(
        "hyrisk_desktop/batch/table.py",
        "tests/unit/batch/test_table.py",
        ('        raise InputError("unwritable_cache", message) from e', "        raise unwritable(path, e) from e"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/restoring.py",
        f"{_REPORTS}test_withheld.py",
        ("        and not m.scores_standing.withheld\n", ""),
        ("    if standing.withheld or _same_risks", "    if _same_risks"),
        (" or m.whole_heart_standing.withheld:", ":", f"{_REPORTS}test_shown_elsewhere.py -k whole_heart_of_an_earlier"),
    ),
    *mutants(
        "hyrisk_desktop/settings.py",
        "tests/unit/test_settings_shared.py",
        ("            self.problem = tr(\"The settings can't be read,", "            _ = tr(\"The settings can't be read,"),
    ),
    *mutants(
        "hyrisk_desktop/measurement.py",
        "tests/unit/exchange/test_reading_document.py",
        ("    told = _without_withheld_scores(unique.values())", "    told = unique.values()"),
        ("    if whole_heart_standing(findings).withheld:\n        words", "    if scores_standing(findings).withheld:\n        words"),
    ),
    *mutants(
        "hyrisk_desktop/gui/panels/risk_panel.py",
        "tests/gui/test_withheld.py::test_what_a_model_reads_is_told_only_where_it_is_not_withheld",
        ("            if self._session.hides(self._session.scores_standing):", "            if False:"),
    ),
    *mutants(
        "hyrisk_desktop/gui/heart/commands.py",
        "tests/gui/test_whole_heart.py::test_the_menu_of_a_plaque_whose_score_is_withheld_tells_none",
        ("self._window, hidden=hidden)", "self._window)"),
    ),
    *mutants(
        "hyrisk_desktop/worklist/store_file.py",
        "tests/unit/worklist/test_store_identity.py",
        ("if self._size and self._is_foreign():", "if False:"),
        ('bool(tables) and "alembic_version" not in tables', '"alembic_version" not in tables'),
    ),
    *mutants(
        "hyrisk_desktop/worklist/database.py",
        "tests/unit/worklist/test_database.py::test_a_bad_address_is_one_sentence",
        ("    except ValueError as e:  # a port", "    except KeyError as e:  # a port"),
        ('not in ("sqlite", "postgresql"):', 'not in ("sqlite", "postgresql", "mysql"):'),
    ),
    *mutants(
        "hyrisk_desktop/worklist/store_errors.py",
        "tests/unit/worklist/test_database.py",
        ("isinstance(original, OSError) and original.errno in nowhere", "False"),
    ),
    *mutants(
        "hyrisk_desktop/cli/worklist.py",
        "tests/unit/cli/test_worklist.py",
        ("    with staged(out) as stream:", '    with open(out, "wb") as stream:'),
    ),
    *mutants(
        "hyrisk_desktop/dask_client.py",
        "tests/unit/cli/test_batch.py::test_what_is_no_address_of_a_scheduler_makes_no_client",
        ("            get_address_host_port(self.address)\n", ""),
    ),
    *mutants("hyrisk_desktop/tables.py", "tests/unit/batch/test_reads_file.py", (' and "_" not in text', "")),
    *mutants(
        "model_training/phantom/cohort.py",
        "tests/training/test_full_disk.py",
        ("    replace_file(mark, json.dumps(record).encode())", '    mark.write_text(json.dumps(record), encoding="utf-8")'),
    ),
    *mutants("model_training/nlst.py", "tests/training/test_nlst.py", ("with staged(path) as stream", 'with open(path, "wb") as stream')),
]  # fmt: skip
