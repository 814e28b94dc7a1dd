"""`hyrisk train` with several networks: a bundle for each, and everything says which network it is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyrisk_desktop.risk.bundle import read_description
from hyrisk_desktop.risk.self_test import self_test
from tests.helpers.training_runs import train_here


@pytest.fixture(scope="module")
def both(cohort: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of two networks, the deeper one first, and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "both"
    options = ("--network", "hyrisknet-34,hyrisknet-18", "--epochs", "1", "--name", "Ours")
    code, said, err = train_here(cohort, cache, run, *options)
    assert code == 0, err
    return run, said


def test_each_network_has_a_bundle_of_its_own(both: tuple[Path, str]) -> None:
    run, said = both
    results = json.loads((run / "results.json").read_text())
    assert not (run / "bundle").exists()
    assert [(b["network"], b["path"], b["name"]) for b in results["bundles"]] == [
        ("hyrisknet-34", "bundles/hyrisknet-34", "Ours, hyrisknet-34"),
        ("hyrisknet-18", "bundles/hyrisknet-18", "Ours, hyrisknet-18"),
    ]
    assert results["bundle"]["sha256"] == results["bundles"][0]["sha256"] != results["bundles"][1]["sha256"]
    for depth, network, entry in zip((34, 18), results["networks"], results["bundles"], strict=True):
        bundle = self_test(run / entry["path"], "cpu")
        assert (bundle.depth, bundle.name, bundle.sha256) == (depth, entry["name"], entry["sha256"])
        kept = bundle.training["results"]["auc"]
        for head in ("risknet", "hyrisknet"):
            assert kept[head]["auc"] == network[head]["auc"]
        assert bundle.training["settings"]["depths"] == [depth]
        assert f"bundle of hyrisknet-{depth}: {run / entry['path']}" in said
        for head in ("risknet", "hyrisknet"):
            assert f"{head}-{depth} {network[head]['auc']} 95 % CI" in " ".join(said.split())
    assert results["networks"][0]["hyrisknet"] != results["networks"][1]["hyrisknet"]


def test_shuffled_outcomes_are_of_the_first_network_alone(both: tuple[Path, str]) -> None:
    run, _ = both
    results = json.loads((run / "results.json").read_text())
    first, second = (read_description(run / b["path"]).training["results"] for b in results["bundles"])
    assert first["permutation_auc"] == results["permutation_auc"] is not None
    assert second["permutation_auc"] is None


def test_the_report_and_the_events_say_where_each_bundle_is(both: tuple[Path, str]) -> None:
    run, _ = both
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "each network has its bundle: bundles/hyrisknet-34, bundles/hyrisknet-18." in page
    assert "shuffled outcomes are of hyrisknet-34;" in page
    last = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["bundles"]) == ("finished", ["bundles/hyrisknet-34", "bundles/hyrisknet-18"])
    assert "bundle" not in last
