"""What a bundle's description says to a person who chooses between models: short, and synthetic where it is synthetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hyrisk_desktop.i18n import day_text, listed, tr, trn, typeset
from hyrisk_desktop.risk.bundle import ModelBundle

_CHANCE = 0.5
_NAMES = {"risknet": "RiskNet", "hyrisknet": "HyRiskNet"}


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """Lines for people; empty where the bundle does not say.

    Attributes:
        name, network, score_input, date: as they are shown. trained_on: synthetic or real, and how many cases.
        aucs: held-out AUC of both networks. sha256: of the weights.
    """

    name: str
    network: str
    score_input: str
    trained_on: str
    date: str
    aucs: str
    sha256: str


def summarise(bundle: ModelBundle) -> ModelSummary:
    """The summary of ``bundle``; ``training`` is free-form, so nothing is expected of it."""
    training = bundle.training
    return ModelSummary(
        name=bundle.name,
        network=bundle.network.replace("hyrisknet", "HyRiskNet"),
        score_input=tr("grade") if bundle.score_input == "grade" else tr("Agatston score"),
        trained_on=_trained_on(bundle),
        date=_day(_word(training.get("date"))[:10]),
        aucs=_aucs(bundle),
        sha256=bundle.sha256,
    )


def levels_text(levels_mm: Iterable[float]) -> str:
    """Heights along z as people write them, e.g. ``"−6, 0, +6"``."""
    return listed(typeset(level, "+g") if level else "0" for level in levels_mm)


def _day(text: str) -> str:
    """``2026-11-29`` as people write it; anything else as it is."""
    digits = text.replace("-", "")
    shown = day_text(digits)
    return text if shown == digits else shown


def auc_of(bundle: ModelBundle, head: str) -> tuple[float, tuple[float, float] | None] | None:
    """Held-out AUC and 95 % interval of ``"risknet"`` or ``"hyrisknet"`` as the training noted them, or None."""
    results = _mapping(bundle.training.get("results"))
    # A table by name, as the demonstration model's export writes it; or the pooled figures of a cross-validation.
    for key in ("auc", "pooled"):
        row = _mapping(_mapping(results.get(key)).get(head))
        value, low_high = _auc(row.get("auc")), row.get("ci")
        if value is not None:
            ends = [_auc(v) for v in low_high] if isinstance(low_high, list) else []
            known = [end for end in ends if end is not None]
            return value, (known[0], known[1]) if len(ends) == len(known) == 2 else None
    return None


def beside_the_one_before(new: ModelBundle, before: ModelBundle | None) -> str:
    """One sentence on whether ``new`` is better than the model in use before, by what each brings of held-out results.

    Their AUCs are of different cases unless both say otherwise, so more than "not better" is never claimed; "" where the
    new one's is higher, or there was none before.
    """
    if before is None or before.bundle_sha256 == new.bundle_sha256:
        return ""
    if synthetic(new) != synthetic(before):
        return tr(
            "One of this model and the one before was trained on synthetic phantoms: their figures don't compare."
        )
    head = "hyrisknet"
    now, then = auc_of(new, head), auc_of(before, head)
    if now is None:
        return tr("It brings no held-out results, so nothing says that it is better than the one before.")
    if then is None or now[0] > then[0]:
        return ""
    return tr(
        "By their own held-out results it is not better than the one before: AUC {now:.3f}, before {then:.3f}.",
        now=now[0],
        then=then[0],
    )


def doubt_of(bundle: ModelBundle) -> str:
    """What must be asked before ``bundle`` is installed: that by its own results a head is no better than chance; "" for nothing."""
    said = []
    for head, name in _NAMES.items():
        found = auc_of(bundle, head)
        if found is not None and found[1] is not None and found[1][0] <= _CHANCE:
            said.append(
                tr("{name} was not better than chance where it was trained: AUC {auc:.3f}, 95 % interval {low:.3f} to {high:.3f}.",
                   name=name, auc=found[0], low=found[1][0], high=found[1][1])
            )  # fmt: skip
    return " ".join(said)


def synthetic(bundle: ModelBundle) -> bool:
    """Whether the model was trained on phantoms; one that does not say so but is a demonstration model was."""
    return bundle.demonstration or bundle.training.get("synthetic") is True


def _trained_on(bundle: ModelBundle) -> str:
    training = bundle.training
    found = [v for v in (training.get("n"), _mapping(training.get("results")).get("n")) if v]
    n = next((v for v in found if isinstance(v, int) and not isinstance(v, bool)), None)
    if synthetic(bundle):
        return tr("synthetic phantoms") if n is None else trn("{n} synthetic phantom", "{n} synthetic phantoms", n)
    return tr("patients") if n is None else trn("{n} patient", "{n} patients", n)


def _aucs(bundle: ModelBundle) -> str:
    parts = []
    for head, name in _NAMES.items():
        if (found := auc_of(bundle, head)) is not None:
            value, interval = found
            width = "" if interval is None else tr(" ({low:.2f} to {high:.2f})", low=interval[0], high=interval[1])
            parts.append(tr("{name} {auc:.2f}", name=name, auc=value) + width)
    if not parts:
        return ""
    what = tr("AUC on synthetic phantoms: ") if synthetic(bundle) else tr("AUC: ")
    return what + listed(parts)


def _auc(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= 1 else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
