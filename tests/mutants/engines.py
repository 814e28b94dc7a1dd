"""Mutants of the engines: the graph, the input without torch, and the choice between the two."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_TESTS = "tests/unit/risk/test_engines.py"


def _one(name: str) -> str:
    return f"{_TESTS}::{name}"


_TRUNK, _INPUT, _RESIZED = (
    _one("test_the_trunk_is_torchs"),
    _one("test_the_input_is_torchs"),
    _one("test_squares_are_resized_as_torch_does"),
)
_READINGS, _VIEWS = _one("test_the_readings_are_the_same"), _one("test_views_are_told_apart")
_REFUSED, _ANSWER = _one("test_other_numbers_are_refused"), _one("test_another_answer_is_refused_to_a_ten_thousandth")
_WRONG, _ABSENT = (
    _one("test_a_wrong_graph_is_found_and_a_damaged_one_too"),
    _one("test_without_onnx_runtime_torch_reads"),
)
_ASKED, _CARD = (
    _one("test_who_asks_for_an_engine_gets_it_or_a_reason"),
    _one("test_torch_is_asked_only_where_there_may_be_a_card"),
)
_DRIVER, _ALONE = _one("test_a_driver_is_a_library_of_the_system"), _one("test_a_reading_imports_no_torch")
_SCORE, _CHOSEN = (
    _one("test_hyrisk_score_imports_no_torch_and_names_its_engine"),
    _one("test_onnx_runtime_reads_where_it_gives_the_known_answer"),
)
_ARRAYS, _HEAT = _one("test_the_arrays_are_those_of_the_bundle"), _one("test_the_heat_is_the_same")

ENGINES = [
    *mutants(
        "hyrisk_desktop/risk/onnx_graph.py",
        _TRUNK,
        ("_EPSILON = 1e-5", "_EPSILON = 1e-3"),
        ("scale = scale / np.sqrt(variance + _EPSILON)", "scale = scale / (variance + _EPSILON)"),
        ("(shift - mean * scale)", "(shift + mean * scale)"),
        ("(shift - mean * scale)", "shift"),
        ("* scale.astype(np.float32)[:, None, None, None]", "* scale.astype(np.float32)[:, None, None, None] ** 0"),
        ("pads=[side // 2] * 4", "pads=[0] * 4"),
        ("strides=[stride] * 2", "strides=[1] * 2"),
        ("pads=[1, 1, 1, 1]", "pads=[0, 0, 1, 1]"),
        ("            if number < len(steps):\n                x = self._relu(x)\n", ""),
        (
            "[((before, width, 1), 1), ((width, width, 3), stride)",
            "[((before, width, 1), stride), ((width, width, 3), 1)",
        ),
        ('self._relu(self._add("Add", [x, past]', 'self._relu(self._add("Add", [x, x]'),
        ("if stride != 1 or before != after:", "if stride != 1:"),
        (
            "width, stride = stage_width(stage), 2 if stage and not number else 1",
            "width, stride = stage_width(stage), 2 if not number else 1",
        ),
        ("                part = Part(arrays, channels)", "                part = Part(arrays, 64)"),
        ("if values.shape != shape or values.dtype.kind", "if values.dtype.kind", _REFUSED),
        ('or values.dtype.kind != "f":', "or False:", _REFUSED),
        ("        value >>= 7", "        value >>= 8"),
        ("    while value > 127:", "    while value > 255:"),
        (
            "_LARGEST_PART = 12 << 20",
            "_LARGEST_PART = 1 << 30",
            "",
            "one session of the whole gives the same numbers, and takes 150 MB more for a moment; bench_engine measures it",
        ),
    ),
    *mutants(
        "hyrisk_desktop/risk/onnx_engine.py",
        _TRUNK,
        ("maps.mean(axis=(2, 3))", "maps.max(axis=(2, 3))"),
        ("for view in batch])", "for view in batch[::-1]])"),
        ("np.full(len(features), score, np.float32)", "np.full(len(features), -score, np.float32)"),
        ("features @ weight.T + bias", "features @ weight.T"),
        ('"fused_head" if fused else "image_head"', '"image_head"'),
        ("np.concatenate([first, rest])", "np.concatenate([rest, first])", _VIEWS),
        ("if weight.shape != (2, width) or bias.shape != (2,):", "if False:", _REFUSED),
        ("        if arrays:\n", "        if False:\n", _REFUSED),
        ('"ORT_DISABLE_TELEMETRY"', '"ORT_DISABLE"', _one("test_onnx_runtime_tells_nobody_and_keeps_nothing")),
        (
            "onnxruntime.disable_telemetry_events()\n",
            "",
            "",
            "builds that know the variable do nothing that it could stop; those that do not are for Windows",
        ),
        (
            '    options.add_session_config_entry("session.intra_op.allow_spinning", "0")\n',
            "",
            "",
            "it costs time on a busy machine and no digit; bench_engine measures it",
        ),
    ),
    *mutants(
        "hyrisk_desktop/risk/numpy_input.py",
        _INPUT,
        ("middle = (len(values) - 1) // 2", "middle = len(values) // 2"),
        ("patches.clip(low, high) - np.float32(low)", "patches.clip(low, high)"),
        ("patches.clip(low, high)", "patches.clip(low, None)"),
        ("c.top : c.top + c.side, c.left : c.left + c.side", "c.left : c.left + c.side, c.top : c.top + c.side"),
        ("        patches = patches + np.array", "        patches += np.array"),
        ("    found -= mean\n", ""),
        ("    found /= std\n", ""),
        ("reach = max(scale, dtype.type(1))", "reach = dtype.type(1)", _RESIZED),
        (
            "centres = scale * (np.arange(after).astype(dtype) + dtype.type(0.5))",
            "centres = scale * np.arange(after).astype(dtype)",
            _RESIZED,
        ),
        ("    weights[places >= before] = 0\n", "", _RESIZED),
        ("    weights /= weights.sum(axis=0)\n", "", _RESIZED),
        ("int(np.ceil(2 * reach)) + 1", "int(np.ceil(2 * reach)) - 1", _RESIZED),
        ("wide[..., place, :] * weight[:, None]", "wide[..., place, :] * weight", _RESIZED),
    ),
    *mutants(
        "hyrisk_desktop/risk/bundle_arrays.py",
        _ARRAYS,
        ("load(read_weights(directory, data))", 'load((directory / "weights.safetensors").read_bytes())'),
        ('if key.startswith("novelty.")', 'if key.startswith("novelty.mean")'),
    ),
    *mutants(
        "hyrisk_desktop/risk/engine_choice.py",
        _ANSWER,
        ("LARGEST_DIFFERENCE = 1e-4", "LARGEST_DIFFERENCE = 1.3e-4"),
        ("LARGEST_DIFFERENCE = 1e-4", "LARGEST_DIFFERENCE = 0.7e-4"),
        ("np.abs(np.subtract(found, [risknet, *by_grade])).max()", "np.subtract(found, [risknet, *by_grade]).max()"),
        ("np.subtract(found, [risknet, *by_grade])", "np.subtract(found[1:], by_grade)"),
        ("np.subtract(found, [risknet, *by_grade])", "np.subtract(found[:1], risknet)"),
        ("    if not difference <= LARGEST_DIFFERENCE:\n", "    if False:\n", _WRONG),
        (
            '        if engine == "onnx":\n            if isinstance',
            "        if False:\n            if isinstance",
            _ABSENT,
        ),
        (
            'if engine == "torch" or (engine == "auto" and not _cpu_reads(device)):',
            'if engine == "torch":',
            _one("test_a_card_is_left_to_torch"),
        ),
        (
            'if engine == "torch" or (engine == "auto" and not _cpu_reads(device)):',
            'if engine == "auto" and not _cpu_reads(device):',
            _ASKED,
        ),
        ("e.code not in _OF_THE_ENGINE:", "False:", _one("test_a_damaged_bundle_is_refused_by_name")),
        ("e.code not in _OF_THE_ENGINE:", "True:", _ANSWER),
        ("    if engine not in ENGINES:\n", "    if False:\n", _ASKED),
        ('    if engine == "onnx" and device == "cuda":\n', "    if False:\n", _ASKED),
        ("if device is not None or not card_may_answer():", "if device is not None:", _CARD),
        ('return device in (None, "cpu")', "return True", _CARD),
        ('    return choose_device().type == "cpu"', "    return True", _CARD),
        (
            '_compared(Predictor(directory, "cpu", prevalence, "onnx"))',
            '_compared(Predictor(directory, "cpu", None, "onnx"))',
            _CHOSEN,
        ),
        ("    except InputError:\n        raise\n", "", _one("test_a_damaged_bundle_is_refused_by_name")),
    ),
    *mutants(
        "hyrisk_desktop/risk/device.py",
        _DRIVER,
        ('    if sys.platform == "darwin":\n', "    if False:\n"),
        ('"nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"', '"libcuda.so.1"'),
        ("    except OSError:\n        return False\n", "    except OSError:\n        return True\n"),
    ),
    *mutants(
        "hyrisk_desktop/risk/predictor.py",
        _READINGS,
        ("            engine=self.engine,\n", ""),
        (
            "self._engine.maps(self._prepared(look, look.own)).mean(0)",
            "self._engine.maps(self._prepared(look, look.others[:1])).mean(0)",
            "tests/unit/risk/test_predictor.py::test_each_head_has_its_own_curve_prevalence_and_reference",
        ),
        (
            "weight[NON_SURVIVOR] - weight[1 - NON_SURVIVOR], float",
            "weight[1 - NON_SURVIVOR] - weight[NON_SURVIVOR], float",
            "tests/unit/risk/test_explain.py",
        ),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/document.py",
        _SCORE,
        ('"versions": versions(risk),', '"versions": versions(),'),
    ),
    *mutants(
        "hyrisk_desktop/worklist/stored_risk.py",
        _one("test_a_stored_risk_remembers_its_engine"),
        ('            engine=str(read.versions.get("engine", "")),\n', ""),
    ),
    *mutants(
        "hyrisk_desktop/gui/application.py",
        "tests/gui/test_settings_dialog.py::test_the_engine_that_is_chosen_reads",
        ('self.settings["prevalence"] or None, self.settings["engine"]', 'self.settings["prevalence"] or None'),
    ),
    *mutants(
        "hyrisk_desktop/risk/loading.py",
        "tests/unit/cli/test_worklist.py::test_a_read_is_replayed_by_the_engine_that_answered_it",
        ('return "auto" if versions.get("engine", "").startswith("onnxruntime ") else "torch"', 'return "auto"'),
        ('return "auto" if versions.get("engine", "").startswith("onnxruntime ") else "torch"', 'return "torch"'),
    ),
    *mutants(
        "hyrisk_desktop/risk/explain.py",
        _ALONE,
        (
            "    large = resized(np.maximum(cam, 0.0), crop.side)\n",
            "    import torch\n\n    large = resized(np.maximum(cam, 0.0), crop.side)\n",
        ),
        ("resized(np.maximum(cam, 0.0), crop.side)", "resized(cam, crop.side)", "tests/unit/risk/test_explain.py"),
    ),
]
