"""ONNX Runtime answers what torch answers, or it is not used; where it reads, torch is not even imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk import Predictor, device, engine_choice, onnx_graph
from hyrisk_desktop.risk.bundle import DESCRIPTION, load_bundle, read_description
from hyrisk_desktop.risk.bundle_arrays import load_arrays
from hyrisk_desktop.risk.engine_choice import describe_engine, open_predictor
from hyrisk_desktop.risk.explain import explain
from hyrisk_desktop.risk.numpy_input import prepared_in_numpy, resized
from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, prepare
from hyrisk_desktop.risk.self_test import KNOWN_ANSWER, known_answer_volume
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle that the test may change."""
    write_tiny_bundle(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def both(kept: Path) -> tuple[Predictor, Predictor]:
    return Predictor(kept, "cpu"), Predictor(kept, "cpu", engine="onnx")


def close(one: object, other: object, tolerance: float = 1e-6) -> None:
    """Two readings, number for number, that differ by nothing but the engine."""
    for name in ("risknet", "hyrisknet", "interval", "by_grade"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=tolerance), name
    for name in (
        "centre",
        "grade",
        "findings",
        "percentile",
        "interval_covers",
        "bundle_sha256",
        "device",
        "prevalence",
    ):
        assert getattr(other, name) == getattr(one, name), name


SCENES = {
    "inside": lambda: (block_volume([(box((110, 100, 10), (30, 20, 3)), 300)]), HEART_CENTRE),
    "at the first slice": lambda: (block_volume(seed=3), (*HEART_CENTRE[:2], 0)),
    "half outside": lambda: (block_volume(seed=4), (4, 120, 12)),
}


@pytest.mark.parametrize("grade", [None, 2.0])
@pytest.mark.parametrize("scene", SCENES)
def test_the_readings_are_the_same(both: tuple[Predictor, Predictor], scene: str, grade: float | None) -> None:
    volume, centre = SCENES[scene]()
    one, other = (predictor.predict(volume, centre, grade) for predictor in both)
    close(one, other)
    assert one.engine.startswith("torch ")
    assert other.engine.startswith("onnxruntime ")
    assert one.interval[0] < one.interval[1]
    first = both[1].glance(volume, centre, grade)
    assert first.risk == pytest.approx(other.risk, abs=1e-6)


def test_views_are_told_apart(both: tuple[Predictor, Predictor]) -> None:
    """All eleven, in their order: an interval of lowest and highest would not notice another one."""
    volume = block_volume([(box((110, 100, 10), (30, 20, 3)), 300)])
    features = [predictor.plain(predictor.features_at(volume, HEART_CENTRE)) for predictor in both]
    assert features[0].shape == (11, 512)
    np.testing.assert_allclose(features[1], features[0], rtol=0, atol=1e-5 * np.abs(features[0]).max())
    assert np.ptp(features[0], axis=0).max() > 1e-3


@pytest.mark.parametrize("grade", [None, 2.0])
def test_the_heat_is_the_same(both: tuple[Predictor, Predictor], grade: float | None) -> None:
    volume = block_volume([(box((110, 100, 10), (30, 20, 3)), 300)])
    one, other = (explain(predictor, volume, HEART_CENTRE, grade) for predictor in both)
    np.testing.assert_allclose(other.heat, one.heat, rtol=0, atol=1e-5)
    assert other.split.image == pytest.approx(one.split.image, abs=1e-5)
    assert other.split.constant == one.split.constant
    assert (other.raising, other.lowering) == pytest.approx((one.raising, one.lowering), abs=1e-5)


@pytest.mark.real_data
def test_the_bundled_model_answers_the_same_on_a_real_exam(real_data: Path) -> None:
    from hyrisk_desktop.imaging import find_series, read_volume

    volume = read_volume(find_series(real_data / "nlst_101287_T0")[0])
    predictors = [Predictor(bundled_model_dir(), "cpu", engine=engine) for engine in ("torch", "onnx")]
    for centre in ((258, 224, 74), (300, 250, 90)):
        one, other = (predictor.odds_at(volume, centre, (-1.0, 1 / 3, 1.0)) for predictor in predictors)
        assert other == pytest.approx(one, abs=1e-4)
    one, other = (predictor.predict(volume, (258, 224, 74), 2.0) for predictor in predictors)
    close(one, other, 1e-5)
    heats = [explain(predictor, volume, (258, 224, 74), 2.0).heat for predictor in predictors]
    np.testing.assert_allclose(heats[1], heats[0], rtol=0, atol=1e-4)


# --- the network's parts


@pytest.mark.parametrize("depth", [18, 50])
def test_the_trunk_is_torchs(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With batch norms that do something: those of random weights leave values as they are."""
    import torch

    from hyrisk_desktop.risk.network import HyRiskNet
    from hyrisk_desktop.risk.onnx_engine import OnnxEngine

    torch.manual_seed(depth)
    network = HyRiskNet(depth).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.2)
                module.bias.normal_(0, 0.2)
    arrays = {name: values.numpy().copy() for name, values in network.state_dict().items()}
    images = torch.randn((2, 3, 64, 96))
    with torch.inference_mode():
        maps = network.maps(images)
        logits = [
            network.image_logits(network.averaged(maps)),
            network.fused_logits(network.averaged(maps), torch.full((2,), 0.25)),
        ]
    monkeypatch.setattr(onnx_graph, "_LARGEST_PART", 4 << 20)
    engine = OnnxEngine(depth, arrays)
    assert len(engine._sessions) > 2
    assert not arrays, "the numbers would be held twice"
    found = engine.maps(images.numpy())
    np.testing.assert_allclose(found, maps.numpy(), rtol=0, atol=2e-5 * float(maps.abs().max()))
    features = engine.averaged(found)
    for score, expected in zip((None, 0.25), logits, strict=True):
        np.testing.assert_allclose(engine.logits(features, score), expected.numpy(), rtol=1e-4, atol=1e-4)


CROPS = [Crop(24, 24, 113), Crop(3, 9, 97), Crop(0, 0, 161)]


@pytest.mark.parametrize("blood_hu", [None, 38.0])
@pytest.mark.parametrize("size", [224, 113, 64, 40])
@pytest.mark.parametrize("crops", [CROPS, CROPS[:1]], ids=["one each", "one for all"])
def test_the_input_is_torchs(size: int, blood_hu: float | None, crops: list[Crop]) -> None:
    import torch

    p = Preprocessing(
        input_size=size, blood_hu=blood_hu, mean=(0.3, 0.4, 0.5), std=(0.2, 0.25, 0.3), hu_window=(-150.0, 420.0)
    )
    patches = np.random.default_rng(size).normal(30, 150, (3, 3, 161, 161)).round().astype(np.float32)
    # An even number of blood's values, whose middle two lie apart.
    patches[0] = -500
    patches[0, :, :, 70:72] = 25, 45
    expected = prepare(torch.from_numpy(patches), crops, p).numpy()
    before = patches.copy()
    np.testing.assert_allclose(prepared_in_numpy(patches, crops, p), expected, rtol=0, atol=2e-6)
    assert (patches == before).all()


@pytest.mark.parametrize(("before", "after"), [(7, 113), (2, 113), (7, 8), (9, 9), (113, 40), (300, 17), (5, 1)])
def test_squares_are_resized_as_torch_does(before: int, after: int) -> None:
    import torch
    from torch.nn.functional import interpolate

    values = np.random.default_rng(before).random((2, before, before))
    how = {"mode": "bilinear", "align_corners": False, "antialias": after < before}
    expected = interpolate(torch.from_numpy(values)[None], (after, after), **how)[0].numpy()
    np.testing.assert_allclose(resized(values, after), expected, rtol=0, atol=1e-12)


def spoilt(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], tuple[object, dict[str, np.ndarray]]]:
    def load(directory: Path) -> tuple[object, dict[str, np.ndarray]]:
        bundle, arrays = load_arrays(directory)
        change(arrays)
        return bundle, arrays

    return load


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("trunk.layer3.1.bn2.running_var"),
        lambda a: a.pop("fused_head.bias"),
        lambda a: a.update({"trunk.layer5.conv1.weight": np.zeros(3, np.float16)}),
        lambda a: a.update({"trunk.conv1.weight": np.zeros((64, 3, 5, 5), np.float16)}),
        lambda a: a.update({"trunk.conv1.weight": np.zeros((64, 3, 7, 7), np.int32)}),
        lambda a: a.update({"image_head.weight": np.zeros((1, 512), np.float16)}),
    ],
    ids=["one missing", "a head's missing", "one too many", "another kernel", "whole numbers", "another head"],
)
def test_other_numbers_are_refused(
    kept: Path, change: Callable[[dict[str, np.ndarray]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyrisk_desktop.risk.bundle_arrays.load_arrays", spoilt(change))
    with pytest.raises(BundleError) as e:
        Predictor(kept, engine="onnx")
    assert e.value.code == "bundle_malformed"


def test_the_arrays_are_those_of_the_bundle(kept: Path, tmp_path: Path) -> None:
    bundle, arrays = load_arrays(kept)
    other, network = load_bundle(kept)
    assert bundle.bundle_sha256 == other.bundle_sha256
    np.testing.assert_array_equal(bundle.novelty.whitening, other.novelty.whitening)
    state = network.state_dict()
    assert {name: values.shape for name, values in arrays.items()} == {
        name: tuple(v.shape) for name, v in state.items()
    }
    assert (arrays["trunk.conv1.weight"].astype(np.float32) == state["trunk.conv1.weight"].numpy()).all()
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes((kept / weights.name).read_bytes()[:-1] + b"\0")
    (tmp_path / DESCRIPTION).write_bytes((kept / DESCRIPTION).read_bytes())
    with pytest.raises(BundleError) as e:
        load_arrays(tmp_path)
    assert e.value.code == "bundle_hash"


# --- the choice


def test_onnx_runtime_reads_where_it_gives_the_known_answer(kept: Path) -> None:
    predictor = open_predictor(kept, "cpu", 0.1)
    assert predictor.engine.startswith("onnxruntime ")
    assert (predictor.device, predictor.prevalences) == ("cpu", (0.1,))
    assert "known answer" in describe_engine(kept, "cpu")
    close(
        Predictor(kept, "cpu").predict(block_volume(), HEART_CENTRE, 1),
        open_predictor(kept, "cpu").predict(block_volume(), HEART_CENTRE, 1),
    )


def reads_with(folder: Path, device: str | None = "cpu", engine: str = "auto") -> str:
    return open_predictor(folder, device, engine=engine).engine.split()[0]


@pytest.mark.parametrize("head", ["risknet", "grade 0", "grade 3"])
@pytest.mark.parametrize("sense", [-1, 1])
def test_another_answer_is_refused_to_a_ten_thousandth(folder: Path, head: str, sense: int) -> None:
    stored = read_description(folder).training
    for shift, engine in ((0.8e-4, "onnxruntime"), (1.2e-4, "torch")):
        answer = json.loads(json.dumps(stored[KNOWN_ANSWER]))
        if head == "risknet":
            answer["risknet"] += sense * shift
        else:
            answer["by_grade"][int(head[-1])] += sense * shift
        edit_description(folder, training=stored | {KNOWN_ANSWER: answer})
        assert reads_with(folder) == engine
    assert "log odds differ by 1.2e-04" in describe_engine(folder, "cpu")
    with pytest.raises(InputError, match="known answer") as e:
        open_predictor(folder, "cpu", engine="onnx")
    assert e.value.code == "engine"


def test_the_known_answer_is_of_the_exam_that_is_never_stored(both: tuple[Predictor, Predictor]) -> None:
    volume, centre, _ = known_answer_volume()
    stored = both[0].bundle.training[KNOWN_ANSWER]
    for predictor in both:
        found = predictor.odds_at(volume, centre, (-1.0, -1 / 3, 1 / 3, 1.0))
        assert found == pytest.approx([stored["risknet"], *stored["by_grade"]], abs=2e-5)


def test_without_a_known_answer_torch_reads(folder: Path) -> None:
    edit_description(folder, training={})
    assert reads_with(folder) == "torch"


def test_a_wrong_graph_is_found_and_a_damaged_one_too(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Predictor(kept, "cpu").predict(block_volume(), HEART_CENTRE, 2)
    monkeypatch.setattr(onnx_graph, "_EPSILON", 0.1)
    found = open_predictor(kept, "cpu").predict(block_volume(), HEART_CENTRE, 2)
    assert found == expected, "torch reads"
    monkeypatch.undo()
    model = onnx_graph.Part.model
    for damage in (
        lambda m: m[: len(m) // 2],
        lambda m: m.replace(b"Relu", b"Rely"),
        lambda m: m.replace(b"kernel", b"kettle", 1),
    ):
        monkeypatch.setattr(onnx_graph.Part, "model", lambda part, damage=damage: damage(model(part)))
        assert reads_with(kept) == "torch"
        with pytest.raises(InputError):
            reads_with(kept, engine="onnx")


def test_without_onnx_runtime_torch_reads(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hyrisk_desktop.risk.onnx_engine", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert reads_with(kept) == "torch"
    assert describe_engine(kept, "cpu").endswith("(ONNX Runtime: it is not installed)")
    with pytest.raises(InputError, match="not installed"):
        open_predictor(kept, "cpu", engine="onnx")


def test_a_damaged_bundle_is_refused_by_name(folder: Path) -> None:
    (folder / DESCRIPTION).write_text("{")
    for engine in ("auto", "torch", "onnx"):
        with pytest.raises(BundleError):
            open_predictor(folder, "cpu", engine=engine)
    for engine in ("auto", "torch", "onnx"):
        with pytest.raises(InputError) as e:
            open_predictor(folder, "cpu", 1.5, engine)
        assert e.value.code == "prevalence"


def test_who_asks_for_an_engine_gets_it_or_a_reason(kept: Path) -> None:
    assert reads_with(kept, engine="torch") == "torch"
    assert reads_with(kept, None, "onnx") == "onnxruntime"
    assert describe_engine(kept, "cpu", "torch").startswith("torch ")
    assert "(" not in describe_engine(kept, "cpu", "torch")
    with pytest.raises(InputError, match="auto, torch or onnx"):
        open_predictor(kept, "cpu", engine="jax")
    with pytest.raises(InputError, match="CPU only"):
        open_predictor(kept, "cuda", engine="onnx")


def test_a_card_is_left_to_torch(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "_cpu_reads", lambda asked: asked == "cpu")
    assert reads_with(kept, None) == "torch"
    assert reads_with(kept, "cpu") == "onnxruntime"


@pytest.mark.parametrize(
    ("asked", "driver", "card", "cpu"),
    [
        (None, False, None, True),
        (None, True, False, True),
        (None, True, True, False),
        ("cpu", True, None, True),
        ("cuda", True, None, False),
    ],
)
def test_torch_is_asked_only_where_there_may_be_a_card(
    asked: str | None, driver: bool, card: bool | None, cpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    found = card if card is not None else (lambda: pytest.fail("torch was asked"))
    monkeypatch.setattr(torch.cuda, "is_available", (lambda: card) if card is not None else found)
    monkeypatch.setattr(engine_choice, "card_may_answer", lambda: driver)
    assert engine_choice._cpu_reads(asked) is cpu


def test_a_driver_is_a_library_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(device, "_loads", lambda name: asked.append(name) or True)
    monkeypatch.setattr(sys, "platform", "win32")
    assert device.card_may_answer()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not device.card_may_answer()
    assert asked == ["nvcuda.dll"]
    monkeypatch.undo()
    assert not device._loads("lib-that-nobody-has.so.1")


# --- torch stays away

READ = """
import sys
from pathlib import Path
from hyrisk_desktop.risk.engine_choice import open_predictor
from hyrisk_desktop.risk.explain import explain
from hyrisk_desktop.risk.self_test import known_answer_volume
volume, centre, grade = known_answer_volume()
predictor = open_predictor(Path(sys.argv[1]), "cpu")
predictor.warm_up()
predictor.predict(volume, centre, grade)
explain(predictor, volume, centre, grade)
print(predictor.engine.split()[0], "torch" in sys.modules)
"""


def test_a_reading_imports_no_torch(kept: Path) -> None:
    done = subprocess.run([sys.executable, "-c", READ, str(kept)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["onnxruntime", "False"]


def test_onnx_runtime_tells_nobody_and_keeps_nothing(kept: Path, tmp_path: Path) -> None:
    # It is silent by itself where it takes a run for a test of its own.
    others = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY")}
    home = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(tmp_path))
    command = [sys.executable, "-c", READ, str(kept)]
    subprocess.run(command, env=others | home, capture_output=True, text=True, check=True)
    # The folder with the machine's number is made before the first event is sent.
    assert [path for path in tmp_path.rglob("*") if "onnx" in path.name.lower() or "Microsoft" in path.parts] == []


SCORE = """
import atexit, sys
atexit.register(lambda: print("torch" in sys.modules, file=sys.stderr))
from hyrisk_desktop.cli.__main__ import main
main()
"""


def test_hyrisk_score_imports_no_torch_and_names_its_engine(kept: Path, tmp_path: Path) -> None:
    from tests.helpers.exams import write_exam

    exam = write_exam(tmp_path / "exam", 1)
    words = ["score", exam, "--center", 32, 32, 12, "--grade", 1, "--model", kept, "--device", "cpu", "--json"]
    command = [sys.executable, "-c", SCORE, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["versions"]["engine"].startswith("onnxruntime ")
    assert done.stderr.split()[-1] == "False"
    done = subprocess.run([*command, "--engine", "torch"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["versions"]["engine"].startswith("torch ")
    done = subprocess.run([*command, "--engine", "jax"], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "engine")


def test_a_stored_risk_remembers_its_engine(both: tuple[Predictor, Predictor]) -> None:
    from hyrisk_desktop.calcium import score_region
    from hyrisk_desktop.exchange.reports.document import versions
    from hyrisk_desktop.measurement import numbers
    from hyrisk_desktop.worklist.records import Read
    from hyrisk_desktop.worklist.stored_risk import risk_of

    volume = block_volume()
    for predictor in both:
        risk = predictor.predict(volume, HEART_CENTRE, 2.0)
        results = numbers(score_region(volume, HEART_CENTRE), risk, None)
        read = Read(1, 1, volume.series_uid, centre=HEART_CENTRE, grade=2.0, results=results, versions=versions(risk))
        kept_risk = risk_of(read)
        assert kept_risk is not None
        assert kept_risk.engine == predictor.engine == versions(risk)["engine"]
    assert "engine" not in versions()
