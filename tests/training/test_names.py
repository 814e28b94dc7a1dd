"""What a bundle says of its model goes into files that machines read, so it is English whatever the language."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.i18n import tr
from model_training.bundles import name_of_network
from model_training.export import _kept_results
from model_training.validation.recalibrate import _name
from tests.helpers.languages import LANGUAGES, speaking


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_models_are_english(language: str) -> None:
    with speaking(language):
        assert name_of_network("Site", "hyrisknet-34", several=True) == "Site, hyrisknet-34"
        assert _name("Site", "our cases", 7) == "Site, recalibrated on our cases, n = 7"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_bundle_keeps_of_its_training_is_english(language: str) -> None:
    data: Any = type("Cohort", (), {"outcome": np.array([0, 1, 1]), "__len__": lambda _: 3})()
    row = {"auc": 0.7, "ci": [0.6, 0.8]}
    with speaking(language):
        caution = tr("The model has only seen synthetic phantoms before.")
        results = {
            "pooled": {"risknet": row, "hyrisknet": row}, "baselines": {}, "permutation_auc": None, "warning": caution,
            "cautions": [caution],
        }  # fmt: skip
        kept = _kept_results(data, results)
    assert kept["warning"] == "The model has only seen synthetic phantoms before." != caution
    assert kept["cautions"] == [kept["warning"]]
