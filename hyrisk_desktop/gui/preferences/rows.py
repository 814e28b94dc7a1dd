"""Which settings the dialog shows, in words: one row for each of the table's that a user may want to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLocale

from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.exchange.reports.template import read_template
from hyrisk_desktop.i18n import languages_of, tr
from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.settings import allowed

HIDDEN = frozenset(
    {
        "recent_exams", "window_geometry", "window_state", "worklist_state", "pacs_nodes", "pacs_send_to", "pacs_send_formats",
        "export_formats", "deidentified_parent", "pacs_ae_title", "pacs_listen", "pacs_address", "pacs_port", "pacs_certificate", "pacs_key",
    }
)  # fmt: skip
"""Settings that are kept by the windows they belong to."""
OWN_PAGE = frozenset({"shortcuts", "presets"})
"""Settings with an editor of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting in the dialog.

    Attributes:
        key: of the table. page, label, help: translated.
        choices: value and text of each, where there is a choice.
        low, high, suffix, digits: of a number. factor: what is stored times this is what is shown.
        special: text of the lowest number. folder: the text is one, and can be looked for.
        check: raises InputError for what the table lets pass. later: it holds from the next start on.
    """

    key: str
    page: str
    label: str
    help: str
    choices: tuple[tuple[str | int, str], ...] = ()
    low: float = 0
    high: float = 0
    suffix: str = ""
    digits: int = 0
    factor: float = 1
    special: str = ""
    folder: bool = False
    check: Callable[[Any], None] | None = None
    later: bool = False

    def problem(self, value: Any) -> str:
        """Why the setting can't have that value, in one sentence; "" where it can."""
        if not allowed(self.key, value):
            return tr("{label}: this value can't be used.", label=self.label)
        try:
            if self.check is not None:
                self.check(value)
        except HyRiskError as e:
            return f"{self.label}: {e.message}"
        return ""


def page_titles() -> tuple[str, ...]:
    """The dialog's pages, in order."""
    return tr("Reading"), tr("Display"), tr("Keys"), tr("Worklist and memory"), tr("PACS"), tr("Export")


def setting_rows() -> tuple[Row, ...]:
    """All rows, page by page."""
    reading, display, _, worklist, pacs, export = page_titles()
    r = Row
    return (
        r("reader", reading, tr("Reader"), tr("Whose reads these are; empty: the name of this account.")),
        r("prevalence", reading, tr("Assumed prevalence"),
          tr("Share of non-survivors in the population that the risk assumes. Ranks and percentiles do not depend on it."),
          low=0, high=99, digits=1, factor=100, suffix=" %", special=tr("the model's own")),
        r("per_vessel", reading, tr("Grade per vessel"), tr("Grade LM, LAD, LCx and RCA one by one; the exam's grade is the worst.")),
        r("device", reading, tr("Device"), tr("Where the network runs."),
          choices=(("", tr("Choose by itself")), ("cpu", tr("CPU")), ("cuda", tr("GPU (CUDA)")))),
        r("engine", reading, tr("Engine"),
          tr("What runs the network on a CPU. By itself, ONNX Runtime where it is installed and gives the model's known answer, else torch."),
          choices=(("auto", tr("Choose by itself")), ("torch", "torch"), ("onnx", "ONNX Runtime"))),
        r("theme", display, tr("Theme"), tr("Colours around the images, which stay black."),
          choices=(("dark", tr("Dark")), ("light", tr("Light")), ("system", tr("As the system")))),
        r("text_size", display, tr("Text size"), tr("In percent of the system's own."), low=75, high=200, suffix=" %", later=True),
        r("language", display, tr("Language"), tr("Of all texts."), choices=_languages(), later=True),
        r("overlay_level", display, tr("On the images"), tr("Marks and texts on the images; I goes through them."),
          choices=((2, tr("Marks and texts")), (1, tr("Marks only")), (0, tr("Nothing")))),
        r("store", worklist, tr("Worklist's place"),
          tr("Empty for this user's own file, or a shared database such as postgresql://user@host/name; passwords belong in the system's pgpass file."),
          check=_check_store, later=True),
        r("read_ahead_mb", worklist, tr("Memory for reading ahead"),
          tr("Exams that are loaded before they are asked for, and the exam before; 0: none."),
          low=0, high=1_000_000, suffix=" MB", later=True),
        r("pacs_find_priors", pacs, tr("Ask the nodes for earlier exams"),
          tr("When an exam is opened, each node is asked for earlier CT of its patient ID.")),
        r("export_folder", export, tr("Export to"), tr("Where readings are written unless another folder is chosen."),
          folder=True, check=_check_folder),
        r("report_template", export, tr("Report template"),
          tr("A site's TOML file with its department's name, logo and impression for PDF and FHIR; empty for none."), check=_check_template),
        r("private_exports", export, tr("Private files"), tr("Exported files can be read by this account only, whatever the system's default.")),
    )  # fmt: skip


def _languages() -> tuple[tuple[str, str], ...]:
    """English, and what ships with the program, each in its own words."""
    found = languages_of(resources_dir() / "locale")
    return ("en", "English"), *((code, QLocale(code).nativeLanguageName() or code) for code in found)


def _check_folder(name: str) -> None:
    if name and not Path(name).is_dir():
        raise InputError("no_folder", tr("there is no such folder."))


def _check_template(name: str) -> None:
    if name:
        read_template(Path(name))


def _check_store(where: str) -> None:
    if "://" in where and not where.startswith("postgresql"):
        raise InputError("no_store", tr("a shared worklist begins with postgresql://."))
    if where and "://" not in where and not Path(where).parent.is_dir():
        raise InputError("no_store", tr("the folder of that file does not exist."))
