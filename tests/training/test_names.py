"""What models are called: the name goes into files that machines read, so it is English whatever the language."""

from __future__ import annotations

import pytest

from model_training.bundles import name_of_network
from model_training.validation.recalibrate import _name
from tests.helpers.languages import LANGUAGES, speaking


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_of_models_are_english(language: str) -> None:
    with speaking(language):
        assert name_of_network("Site", "hyrisknet-34", several=True) == "Site, hyrisknet-34"
        assert _name("Site", "our cases", 7) == "Site, recalibrated on our cases, n = 7"
