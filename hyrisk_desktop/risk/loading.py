"""The predictor to read with: the model in use, a named or a remembered one, and what to say where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.model_store import ActiveModel, ModelStore, installed_models

if TYPE_CHECKING:
    from hyrisk_desktop.risk.predictor import Predictor


def load_predictor(
    model: Path | None,
    device: str | None,
    prevalence: float | None,
    *,
    store: ModelStore | None = None,
    engine: str = "auto",
) -> tuple[Predictor | None, tuple[Finding, ...]]:
    """The model; or, where the program's own can't be used, why not: calcium scoring goes on without it.

    Args:
        model: folder of a bundle; None for the model in use.
        device: "cpu" or "cuda"; None for cuda where there is one.
        prevalence: share of non-survivors that the risk assumes, 0 to 1; None for the bundle's own.
        store: where the model in use is looked up; None for this user's installed models.
        engine: as of `engine_choice.open_predictor`.

    Returns:
        The predictor, and findings about the model that go beside its risk.

    Raises:
        BundleError: the named bundle can't be used. InputError: device, engine or prevalence can't be used.
    """
    active = (store or installed_models()).active() if model is None else ActiveModel(model)
    try:
        return _predictor(active.directory, device, prevalence, engine), active.findings
    except BundleError as e:
        if model is not None:
            # Who names a model wants its answer, not a document without one.
            raise
        missing = Finding(e.code, Severity.WARNING, tr("No risk: {reason}", reason=e.message))
        return None, (*active.findings, missing)


def find_predictor(bundle_sha256: str, prevalence: float | None, engine: str = "auto") -> Predictor | None:
    """The installed model with that hash, loaded; None where it is not installed or can't be used."""
    for model in installed_models().models():
        if model.bundle is not None and model.bundle.bundle_sha256 == bundle_sha256:
            try:
                return _predictor(model.directory, None, prevalence, engine)
            except BundleError:
                return None
    return None


def engine_of(versions: Mapping[str, str]) -> str:
    """What to ask for so that a read of these ``versions`` is computed as it was then: engines differ in the last digits.

    Reads that name no engine are of a time when torch was the only one.
    """
    return "auto" if versions.get("engine", "").startswith("onnxruntime ") else "torch"


def _predictor(directory: Path, device: str | None, prevalence: float | None, engine: str = "auto") -> Predictor:
    from hyrisk_desktop.risk.engine_choice import open_predictor

    return open_predictor(directory, device, prevalence, engine)
