"""Whether a number may be shown: decided once from its findings, and obeyed by window, worklist, table, reports and batch alike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import said, tr

_NO_NUMBER = ("not_hu", "contrast", "contrast_suspected", "not_heart")
"""What takes the ground from under risk and scores alike, decisive first; so does every finding that says UNFIT."""
_NO_RISK = ("unlike_training", "pixel_outside_training", "increment_outside_training", "fed_score_withheld")
_NO_SCORES = ("beyond_heart", "bone_counted")
OF_THE_RISK = frozenset(
    {*_NO_RISK, "patch_outside", "model_fallback", "grade_disagrees", "beyond_calibration", "other_score"}
)
"""Codes that leave the scores alone, and `OF_THE_SCORES` those that leave the risk alone."""
OF_THE_SCORES = frozenset({*_NO_SCORES, "region_outside", "lesion_cut", "calcium_nearby"})
OF_THE_HEART = frozenset({"heart_guessed", "heart_outline", "heart_small", "heart_cut", "heart_doubted"})
"""Codes of the whole heart: they leave everything else alone."""
SHOWN_ANYWAY = "shown_anyway"
"""Code of the finding that records that somebody asked to see a withheld risk."""
OF_NO_RISK = ("bundle_", "no_known_answer", "other_answer")
"""How codes of a model that can't be used begin: they say why there is no risk, and take nothing from another number."""
_OF_NO_NUMBER = frozenset({SHOWN_ANYWAY, "no_segmentation"})
"""Codes of what was asked for or written."""


class State(StrEnum):
    """How far a number is to be trusted."""

    SHOWN = "shown"
    DOUBTFUL = "doubtful"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of one number, and the findings that decided it, the decisive one first; none for what is shown."""

    state: State = State.SHOWN
    reasons: tuple[Finding, ...] = ()

    @property
    def withheld(self) -> bool:
        """Whether the number must not be printed."""
        return self.state is State.WITHHELD

    @property
    def codes(self) -> tuple[str, ...]:
        """Of the reasons."""
        return tuple(f.code for f in self.reasons)

    @property
    def why(self) -> str:
        """The decisive reason in a few words, "" for none."""
        return reason_words(self.reasons[0]) if self.reasons else ""

    @property
    def document(self) -> dict[str, Any]:
        """``state`` and ``reasons`` of the JSON contract."""
        return {"state": str(self.state), "reasons": list(self.codes)}


SHOWN = Standing()
"""Of a number that nothing is said against."""


def risk_standing(findings: Collection[Finding]) -> Standing:
    """Of a risk that ``findings`` qualify."""
    others = OF_THE_SCORES | OF_THE_HEART
    return _standing([f for f in findings if f.code not in others], (*_NO_NUMBER, *_NO_RISK))


def scores_standing(findings: Collection[Finding]) -> Standing:
    """Of calcium scores that ``findings`` qualify."""
    others = OF_THE_RISK | OF_THE_HEART
    return _standing([f for f in findings if f.code not in others], (*_NO_NUMBER, *_NO_SCORES))


def whole_heart_standing(findings: Collection[Finding]) -> Standing:
    """Of a whole-heart score that ``findings`` qualify; what is said of the score region is not about it."""
    others = OF_THE_RISK | OF_THE_SCORES
    return _standing([f for f in findings if f.code not in others], _NO_NUMBER)


def _standing(findings: list[Finding], decisive: tuple[str, ...]) -> Standing:
    by_code = {f.code: f for f in findings if f.code not in _OF_NO_NUMBER and not f.code.startswith(OF_NO_RISK)}
    against = [by_code[code] for code in decisive if code in by_code]
    against += [f for f in by_code.values() if f.severity is Severity.UNFIT and f not in against]
    doubts = [f for f in by_code.values() if f.severity is Severity.WARNING and f not in against]
    if against:
        return Standing(State.WITHHELD, (*against, *doubts))
    return Standing(State.DOUBTFUL, tuple(doubts)) if doubts else SHOWN


def decisive_first(findings: Collection[Finding]) -> tuple[Finding, ...]:
    """``findings`` with those first that withhold a number, in the order in which they decide; the others stay as they are."""
    reasons = (*risk_standing(findings).reasons, *scores_standing(findings).reasons)
    codes = (*_NO_NUMBER, *_NO_RISK, *_NO_SCORES)
    first = [f for f in dict.fromkeys(reasons) if f.code in codes or f.severity is Severity.UNFIT]
    return (*first, *(f for f in findings if f not in first))


def reason_words(finding: Finding) -> str:
    """Why a number is withheld, for where a sentence has no room; the sentence itself for what has no such words."""
    return _words().get(finding.code, said(finding.message))


def words_of(code: str) -> str:
    """`reason_words` where only the code is known; the code itself for what has no such words."""
    return _words().get(code, code.replace("_", " "))


def _words() -> dict[str, str]:
    return {
        "not_hu": tr("not in Hounsfield units"),
        "contrast": tr("contrast agent"),
        "contrast_suspected": tr("contrast agent suspected"),
        "not_heart": tr("no heart at the centre"),
        "unlike_training": tr("unlike the training data"),
        "pixel_outside_training": tr("pixel spacing outside the training range"),
        "increment_outside_training": tr("slice increment outside the training range"),
        "fed_score_withheld": tr("the score that it reads is withheld"),
        "beyond_heart": tr("the region is larger than a heart"),
        "bone_counted": tr("bone in the region"),
    }
