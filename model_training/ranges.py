"""Which phantoms a demonstration model is made of, and which ones the model that it goes on from had learned from.

A phantom is its seed: parts that share seeds would test a network on what it has learned. So each part of a training that goes
on from another model is compared with all that the other one had learned from, and the new card names both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.training_run import RESULT_BYTES, read_json
from model_training.starting_weights import check_init

FIRST, STEADY, STAGE_TWO = "training", "steady", "stage-two"
RESERVED = (STAGE_TWO, "calibration", "test")
"""Parts that no trunk was trained on."""
STEADY_PHANTOMS = 16000
_STEP = 100_000
"""Parts of trainings that follow each other begin at multiples of it."""
_MARK = "start.json"


@dataclass(frozen=True, slots=True)
class Part:
    """One cohort of the demonstration: folder, number of phantoms, first seed."""

    name: str
    count: int
    first_seed: int

    @property
    def seeds(self) -> range:
        """Of its phantoms."""
        return range(self.first_seed, self.first_seed + self.count)


PARTS = (
    Part(FIRST, 10500, 1_000_000),
    Part(STEADY, STEADY_PHANTOMS, 1_100_000),
    Part(STAGE_TWO, 4000, 2_000_000),
    Part("calibration", 1500, 3_000_000),
    Part("test", 2000, 4_000_000),
)


def parts_of(earlier: ModelBundle | None, phantoms: int = 0, first_seed: int = 0) -> tuple[Part, ...]:
    """What is made where nobody says otherwise; going on from ``earlier``, a steady part of seeds that it has not seen.

    Args:
        earlier: the model that it goes on from. phantoms, first_seed: of the steady part; 0: as many, or from where, as usual.

    Raises:
        InputError: as of `trunk_parts`.
    """
    steady = next(part for part in PARTS if part.name == STEADY)
    begin = steady.first_seed
    if earlier is not None:
        begin = -(-max(part.seeds.stop for part in trunk_parts(earlier)) // _STEP) * _STEP
    steady = Part(STEADY, phantoms or steady.count, first_seed or begin)
    kept = [part for part in PARTS if earlier is None or part.name != FIRST]
    return tuple(steady if part.name == STEADY else part for part in kept)


def trunk_parts(earlier: ModelBundle) -> list[Part]:
    """The parts that the trunk of ``earlier`` was trained on, in order.

    Raises:
        InputError: it does not say so.
    """
    return [part for part in _parts(earlier) if part.name not in RESERVED]


def _parts(earlier: ModelBundle) -> list[Part]:
    told = earlier.training
    try:
        parts = [Part(str(name), int(told["sizes"][name]), int(told["seeds"][name][0])) for name in told["sizes"]]
        # What the card says of the trainings before comes from these, and hours later they could not be asked for any more.
        complete = bool(told["config"]["phases"]) and all(part.name in told["cohorts"] for part in parts)
        complete = complete and all(isinstance(model["parts"], list) for model in told.get("earlier", ()))
    except (KeyError, TypeError, ValueError, IndexError) as e:
        raise _silent() from e
    if not complete or all(part.name in RESERVED for part in parts):
        raise _silent()
    return parts


def _silent() -> InputError:
    return InputError(
        "start",
        tr("The starting model does not say which phantoms it learned from; --start takes a model that train-demonstration made."),
    )  # fmt: skip


def open_start(start: Path, depth: int) -> tuple[ModelBundle, HyRiskNet]:
    """The bundle to go on from, and its network.

    Raises:
        InputError: there is none, or one of another depth, or it does not say what it learned from. BundleError: it is damaged.
    """
    check_init(str(start), "finetune", depth)
    earlier, model = load_bundle(start)
    _parts(earlier)
    return earlier, model.train()


def check_parts(parts: Sequence[Part], earlier: ModelBundle | None) -> None:
    """Refuse parts that share phantoms with each other, or with what ``earlier`` had learned from.

    Its stage two may be stage two once more: there the heads are fitted anew, and no trunk has seen it.

    Raises:
        InputError: what is shared.
    """
    for number, part in enumerate(parts):
        for other in parts[:number]:
            if _shared(part, other):
                raise InputError(
                    "parts",
                    tr("The parts “{one}” and “{other}” share phantoms; give them other seeds.",
                       one=other.name, other=part.name),
                )  # fmt: skip
        for other in [] if earlier is None else _parts(earlier):
            known = other.name not in RESERVED or (other.name == STAGE_TWO != part.name)
            if known and _shared(part, other):
                raise InputError(
                    "start_overlap",
                    tr("The starting model has learned from the phantoms {first} to {last} (its part “{name}”); give the part “{part}” other seeds.",
                       first=other.seeds[0], last=other.seeds[-1], name=other.name, part=part.name),
                )  # fmt: skip


def _shared(one: Part, other: Part) -> bool:
    return max(one.seeds.start, other.seeds.start) < min(one.seeds.stop, other.seeds.stop)


def claim(work: Path, earlier: ModelBundle | None) -> None:
    """Keep ``work`` for trainings from ``earlier`` alone: what lies there of another start would be taken for this one's.

    Raises:
        InputError: another training lies in it.
    """
    mark, own = work / _MARK, {"bundle_sha256": "" if earlier is None else earlier.bundle_sha256}
    begun = any((work / name).exists() for name in ("run", "hold"))
    found = read_json(mark, RESULT_BYTES) if mark.exists() else {"bundle_sha256": ""} if begun else own
    if found != own:
        raise InputError(
            "work_exists", tr("“{name}” holds a training from another start; choose an empty folder.", name=work.name)
        )
    work.mkdir(parents=True, exist_ok=True)
    replace_file(mark, json.dumps(own).encode())


def earlier_facts(earlier: ModelBundle, parts: Sequence[Part]) -> dict[str, Any]:
    """What a model that went on from ``earlier`` tells of it: cohorts, seeds and sizes of its trunk's parts, and the models, oldest first.

    A part's name that the new ``parts`` have too becomes "steady-before", or "steady-before-2" where that exists.
    """
    told, names = earlier.training, _new_names(earlier, parts)
    models = list(told.get("earlier", ()))
    before = {part for model in models for part in model["parts"]}
    steady = told.get("steady_config")
    models.append(
        {
            "name": earlier.name,
            "sha256": earlier.sha256,
            "bundle_sha256": earlier.bundle_sha256,
            "date": told.get("date", ""),
            "parts": [new for name, new in names.items() if name not in before],
            "renamed": {name: new for name, new in names.items() if name != new},
            "notes": told.get("notes", ""),
            **({} if steady is None else {"steady_config": steady, "steady_part": names[STEADY]}),
        }
    )
    carried = {key: {new: told[key][name] for name, new in names.items()} for key in ("cohorts", "seeds", "sizes")}
    cohorts = [sha for sha in (*told.get("earlier_cohorts", ()), told.get("cohort_sha256")) if sha]
    return {**carried, "earlier": models, "earlier_cohorts": cohorts}


def _new_names(earlier: ModelBundle, parts: Sequence[Part]) -> dict[str, str]:
    """By its name in ``earlier``, what each part of its trunk is called from now on."""
    own, new = [part.name for part in trunk_parts(earlier)], {part.name for part in parts}
    taken, names = new | set(own), {}
    for name in own:
        names[name], number = name, 1
        while names[name] in (taken if name in new else ()):
            names[name] = f"{name}-before" if number == 1 else f"{name}-before-{number}"
            number += 1
        taken.add(names[name])
    return names
