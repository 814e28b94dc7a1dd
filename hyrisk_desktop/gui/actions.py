"""Every action as one table: menus, shortcuts, and the sheet behind "?" are loops over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.settings import Settings


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One row.

    Attributes:
        key: name of the command method; also the action's objectName.
        text: translated menu text.
        menu: translated menu title; "" for keys and mouse gestures that are only listed on the sheet.
        shortcuts: Qt key sequences; for rows without a menu, what the sheet says.
        needs_exam: disabled while no complete exam is open.
        checkable: shows a check mark.
        everywhere: its keys work in every window of the program, not only in the main one.
    """

    key: str
    text: str
    menu: str
    shortcuts: tuple[str, ...] = ()
    needs_exam: bool = True
    checkable: bool = False
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """A window preset; `level` None means the one stored in the DICOM header."""

    key: str
    name: str
    level: float | None
    width: float | None


def presets(settings: Settings | None = None) -> tuple[Preset, ...]:
    """Window presets on the digit keys: the user's own, or else the program's."""
    header = Preset("0", tr("DICOM header"), None, None)
    if settings is not None and (own := settings["presets"]):
        return header, *(Preset(f"{n}", row["name"], row["level"], row["width"]) for n, row in enumerate(own, 1))
    return (
        header,
        Preset("1", tr("Soft tissue"), 40, 400),
        Preset("2", tr("Lung"), -600, 1500),
        Preset("3", tr("Bone"), 350, 2000),
        Preset("4", tr("Mediastinum"), 25, 350),
        Preset("5", tr("Network"), 150, 700),
    )


def action_table(settings: Settings | None = None) -> tuple[ActionSpec, ...]:
    """All actions in menu order, with the user's own keys and presets where ``settings`` has some."""
    own = {} if settings is None else settings["shortcuts"]
    return tuple(replace(row, shortcuts=tuple(own[row.key])) if row.key in own else row for row in _table(settings))


def clashes(rows: Iterable[ActionSpec]) -> list[tuple[ActionSpec, ActionSpec, str]]:
    """Pairs of actions that one key would start: the same keys, or keys with which another action's begin."""
    bound = [(row, QKeySequence(keys)) for row in rows if row.key for keys in row.shortcuts]
    none = QKeySequence.SequenceMatch.NoMatch
    return [
        (one, other, keys.toString(QKeySequence.SequenceFormat.NativeText))
        for n, (one, keys) in enumerate(bound)
        for other, others in bound[n + 1 :]
        if keys.matches(others) is not none or others.matches(keys) is not none
    ]


def _table(settings: Settings | None) -> tuple[ActionSpec, ...]:
    file, read, view, tools, help_ = tr("&File"), tr("&Read"), tr("&View"), tr("&Tools"), tr("&Help")
    worklist, prior, vessels = tr("&Worklist"), tr("&Prior"), tr("V&essels")
    window = tr("Window preset")
    mouse = tr("Mouse and keys on the image")
    a = ActionSpec
    preset_rows = tuple(
        a(
            f"preset_{p.key}",
            p.name
            if p.level is None
            else tr("{name} ({width:g} / {level:g})", name=p.name, width=p.width, level=p.level),
            window,
            (p.key,),
            needs_exam=False,
        )
        for p in presets(settings)
    )
    return (
        a("open_folder", tr("Open exam &folder…"), file, ("Ctrl+O",), needs_exam=False),
        a("open_file", tr("Open exam f&ile…"), file, ("Ctrl+Shift+O",), needs_exam=False),
        a("open_exams", tr("Open folder of &exams (worklist)…"), file, ("Ctrl+E",), needs_exam=False),
        a("open_list", tr("Open a &worklist made before…"), file, (), needs_exam=False),
        a("open_demonstration", tr("Open the &demonstration exam (synthetic)"), file, (), needs_exam=False),
        a("show_pacs", tr("&PACS: search, retrieve, receive…"), file, ("Ctrl+P",), needs_exam=False),
        a("choose_series", tr("Choose another &series…"), file, ("Ctrl+L",)),
        a("cancel_loading", tr("&Cancel loading"), file, ("Ctrl+.",), needs_exam=False),
        a("export_reading", tr("E&xport reading…"), file, ("Ctrl+S",)),
        a("print_reading", tr("Print this reading…"), file, ("Ctrl+Shift+P",)),
        a("send_reading", tr("Send this reading to the PACS…"), file, ("Ctrl+Shift+S",)),
        a("deidentified_copy", tr("De-identified c&opy…"), file, ()),
        a("restore_reading", tr("&Restore reading…"), file, ("Ctrl+R",)),
        a("copy_results", tr("Cop&y the numbers as text"), file, ("Ctrl+Shift+C",)),
        a("quit", tr("&Quit"), file, ("Ctrl+Q",), needs_exam=False),
        a("place_centre", tr("Place &heart centre (next click)"), read, ("H",), checkable=True),
        a("go_to_centre", tr("&Go to the heart centre"), read, ("C",)),
        *(a(f"grade_{g}", tr("Grade {grade}", grade=g), read, (f"Alt+{g}",)) for g in range(4)),
        a("clear_grade", tr("Clear the grade"), read, ("Alt+Backspace",)),
        a("per_vessel_grades", tr("Grade per &vessel (LM, LAD, LCx, RCA)"), read, (), needs_exam=False, checkable=True),
        a("lock_grade", tr("&Lock the grade…"), read, ("Ctrl+Return",)),
        a("unlock_grade", tr("Unlock the gr&ade"), read, ()),
        a("toggle_lesion", tr("E&xclude or include the lesion under the pointer"), read, ("X",)),
        a("whole_heart_box", tr("Whole-heart &box instead of the region"), read, ("B",), checkable=True),
        a("whole_heart", tr("Score the &whole heart, with vessels"), read, ("A",), checkable=True),
        *(
            a(f"vessel_{digit}", tr("Plaque to {vessel}", vessel=name), vessels, (f"T, {digit}",))
            for digit, name in enumerate(
                (tr("LM"), tr("LAD"), tr("LCx"), tr("RCA"), tr("none of them: not counted")), 1
            )
        ),
        a("vessel_0", tr("Take a plaque's vessel back"), vessels, ("T, 0",)),
        a("take_suggested", tr("Take the suggested vessel"), vessels, ("T, T",)),
        a("take_all_suggested", tr("Take all suggested vessels"), vessels, ("T, A",)),
        a("lasso", tr("Choose plaques by a &lasso"), vessels, ("L",), checkable=True),
        a("key_image", tr("&Key image, with a note…"), read, ("K",)),
        a("next_key_image", tr("Go to the ne&xt key image"), read, ("Ctrl+K",)),
        a("keep_mark", tr("Keep the r&uler or probe, or let go of a kept one"), read, ("Shift+K",)),
        a("compute_risk_again", tr("&Compute the risk again with the model in use"), read, ("F5",)),
        a("undo", tr("&Undo"), read, ("Ctrl+Z",)),
        a("redo", tr("Re&do"), read, ("Ctrl+Shift+Z", "Ctrl+Y")),
        a("next_exam", tr("&Next exam"), worklist, ("N",), needs_exam=False),
        a("previous_exam", tr("&Previous exam"), worklist, ("P",), needs_exam=False),
        a("show_worklist", tr("Show the &worklist"), worklist, ("W",), needs_exam=False, checkable=True),
        a("search_worklist", tr("&Search the worklist"), worklist, ("Ctrl+F",), needs_exam=False),
        a("set_reader", tr("&Reader…"), worklist, (), needs_exam=False),
        a("read_blinded", tr("Read this list &blinded"), worklist, (), needs_exam=False, checkable=True),
        a("prior_beside", tr("Prior exam &beside (side by side, 2 × 2, off)"), prior, ("D",)),
        a("prior_flip", tr("&Flip to the prior exam and back"), prior, ("F",), checkable=True),
        a("prior_unlink", tr("Scroll the prior exam alone (&unlink)"), prior, ("U",), checkable=True),
        a("prior_unshift", tr("Put the prior exam &back where registration laid it"), prior, ()),
        a("choose_prior", tr("&Earlier exams of this patient…"), prior, ("Shift+D",)),
        *preset_rows,
        a("cycle_overlays", tr("Cycle &overlays (all, marks only, none)"), view, ("I",), needs_exam=False),
        a("cycle_slab", tr("Cycle slab &MIP (1 slice, 5, 10, 20 mm)"), view, ("M",), needs_exam=False),
        a("oblique", tr("&Oblique plane in the place of the coronal one"), view, ("O",), checkable=True),
        a("explain_risk", tr("E&xplain the risk (Grad-CAM)"), view, ("G",), checkable=True),
        a("ruler", tr("&Ruler"), view, ("R",), checkable=True),
        a("probe", tr("HU &probe (mean and SD around the pointer)"), view, ("V",), checkable=True),
        a("escape", tr("End the tool; pressed again, reset the &view"), view, ("Esc",), needs_exam=False),
        a("show_models", tr("&Models…"), tools, (), needs_exam=False),
        a("score_all", tr("&Score all exams of the list…"), tools, (), needs_exam=False),
        a("show_agreement", tr("Readers' &agreement…"), tools, (), needs_exam=False),
        a("export_cohort", tr("E&xport reads as a training cohort…"), tools, (), needs_exam=False),
        a("retrain", tr("&Retrain…"), tools, (), needs_exam=False),
        a("validate", tr("&Validate the model on a cohort…"), tools, (), needs_exam=False),
        a("set_prevalence", tr("Assumed &prevalence…"), tools, (), needs_exam=False),
        a("show_settings", tr("Se&ttings…"), tools, ("Ctrl+,",), needs_exam=False),
        a("show_log", tr("Show the &log"), tools, (), needs_exam=False),
        a("show_manual", tr("&Manual"), help_, ("F1",), needs_exam=False, everywhere=True),
        a("show_shortcuts", tr("&Keyboard shortcuts"), help_, ("?",), needs_exam=False),
        a("show_model_card", tr("Model &card"), help_, (), needs_exam=False),
        a("show_about", tr("&About HyRisk Desktop"), help_, (), needs_exam=False),
        a("", tr("Scroll through the slices"), mouse, (tr("Wheel"), "PgUp / PgDn", "↑ ↓")),
        a("", tr("Slice nearest the head, nearest the feet"), mouse, ("Home / End",)),
        a("", tr("Window width and level"), mouse, (tr("Left drag"),)),
        a("", tr("Pan"), mouse, (tr("Middle drag"),)),
        a("", tr("Zoom"), mouse, (tr("Right drag"), tr("Ctrl+wheel"))),
        a("", tr("Move the linked cursor"), mouse, (tr("Click"),)),
        a("", tr("Exclude or include a lesion"), mouse, (tr("Double-click on it"),)),
        a(
            "",
            tr("Nudge the heart centre until there is a grade, by 1 or 5 pixels"),
            mouse,
            ("← ↑ → ↓", "Shift+← ↑ → ↓"),
        ),
        a("", tr("Place the heart centre without a mouse: H, then"), mouse, ("← ↑ → ↓", tr("Enter"))),
        a("", tr("Move the heart centre by one slice"), mouse, ("Ctrl+↑ ↓",)),
        a("", tr("Move between image, grade and lesions"), mouse, ("Tab", "Shift+Tab")),
        a("", tr("Next exam, once centre and grade are there"), mouse, (tr("Enter"),)),
        a("", tr("Grade while the grade box has the focus"), mouse, ("0 1 2 3",)),
    )


class Menus:
    """The menu bar, filled from the table; each action calls ``trigger`` with its key.

    Args:
        bar: the menus' own. owner: of the actions. trigger: carries out an action.
        submenu_of_view: title of the menu that is put inside View instead of on the bar.

    Attributes:
        actions: by key.
    """

    def __init__(self, bar: QMenuBar, owner: QWidget, trigger: Callable[[str], None], submenu_of_view: str) -> None:
        self._bar, self._owner, self._trigger, self._submenu = bar, owner, trigger, submenu_of_view
        self._menus: dict[str, QMenu] = {}
        self.actions: dict[str, QAction] = {}

    def show(self, table: Iterable[ActionSpec]) -> None:
        """Make the actions of ``table``; those that are there get its texts and keys, those that are not in it go."""
        rows = {spec.key: spec for spec in table if spec.key}
        for key, spec in rows.items():
            action = self.actions.get(key) or self._make(spec)
            action.setText(spec.text)
            action.setShortcuts([QKeySequence(s) for s in spec.shortcuts])
        for key, action in self.actions.items():
            action.setVisible(key in rows)
            if key not in rows:
                action.setShortcuts([])

    def _make(self, spec: ActionSpec) -> QAction:
        action = QAction(spec.text, self._owner, checkable=spec.checkable)
        action.setObjectName(spec.key)
        contexts = Qt.ShortcutContext
        action.setShortcutContext(contexts.ApplicationShortcut if spec.everywhere else contexts.WindowShortcut)
        action.triggered.connect(partial(self._act, spec.key))
        self._menu(spec.menu).addAction(action)
        self.actions[spec.key] = action
        return action

    def _act(self, key: str, *_: object) -> None:
        self._trigger(key)

    def _menu(self, title: str) -> QMenu:
        if title not in self._menus:
            inner = title == self._submenu
            self._menus[title] = self._menu(tr("&View")).addMenu(title) if inner else self._bar.addMenu(title)
        return self._menus[title]
