"""Mutants of the risk: network input, heads, calibration, intervals, and what a bundle may say."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_CALIBRATION = "tests/unit/risk/test_calibration_and_novelty.py"
_INPUT = "tests/unit/risk/test_preprocessing.py"
_PREDICTOR = "tests/unit/risk/test_predictor.py::test_each_head_has_its_own_curve_prevalence_and_reference"
_ANY_VIEW = "tests/unit/risk/test_predictor.py::test_any_view_may_be_an_end_of_the_interval"
_CLICKS = "tests/unit/risk/test_predictor.py::test_the_interval_grows_from_nearby_clicks"
_CACHE = "tests/unit/risk/test_predictor.py::test_the_newest_centres_are_remembered"
_ENDS = "tests/unit/risk/test_predictor.py::test_the_intervals_slices_beyond_an_end_are_the_nearest_one"
_PATCH = "tests/unit/risk/test_predictor.py::test_patch_outside_the_volume_is_a_finding"
_REFUSED = "tests/unit/risk/test_predictor.py::test_bad_questions_are_refused"
_AGATSTON = "tests/unit/risk/test_predictor.py::test_a_model_that_takes_the_agatston_score"
_FINITE = "tests/unit/risk/test_predictor.py::test_an_answer_that_is_no_number_is_refused"
_PIXELS = "tests/unit/risk/test_predictor.py::test_features_belong_to_pixels_and_not_to_names"
_FIRST = "tests/unit/risk/test_predictor.py::test_the_first_answer_is_the_reading_without_its_interval"
_SEEN = "tests/unit/risk/test_levels.py -k shown"
_STEADY, _LEVELS = "tests/unit/risk/test_steady_input.py", "tests/unit/risk/test_levels.py"
_BUNDLE = "tests/unit/risk/test_bundle.py"
_SCORE = "tests/unit/risk/test_score_input.py"

RISK = [
    *mutants(
        "hyrisk_desktop/risk/calibration.py",
        _CALIBRATION,
        ("_logit(prevalence) - _logit(self.prevalence)", "_logit(prevalence)"),
        ("_logit(prevalence) - _logit(self.prevalence)", "_logit(self.prevalence) - _logit(prevalence)"),
        ("float(np.searchsorted(reference, risk)) / reference.size", 'float(np.searchsorted(reference, risk, side="right")) / reference.size'),
        ("float(np.searchsorted(reference, risk)) / reference.size", "float(np.searchsorted(reference, risk)) / (reference.size - 1)"),
        ("self.slope * self.within(log_odds) + self.intercept", "self.slope * (self.within(log_odds) + self.intercept)"),
        ('if not 0 < check_number("prevalence", self.prevalence) < 1:', 'if not 0 <= check_number("prevalence", self.prevalence) < 1:'),
    ),
    *mutants(
        "hyrisk_desktop/risk/novelty.py",
        _CALIBRATION,
        (":= novelty.distance(features)) > novelty.threshold:", ":= novelty.distance(features)) > 1.5 * novelty.threshold:"),
        ('"pixel_mm": volume.spacing_mm[:2]', '"pixel_mm": volume.spacing_mm[:1]'),
        ("for value in beyond[:1]:", "for value in beyond:"),
        ("np.sqrt(np.mean(white**2))", "np.sqrt(np.sum(white**2))"),
        ("not low - 0.01 <= value <= high + 0.01", "not low - 0.02 <= value <= high + 0.01"),
        ("not low - 0.01 <= value <= high + 0.01", "not low - 0.01 <= value <= high"),
        ('"pixel_mm": volume.spacing_mm[:2]', '"pixel_mm": volume.spacing_mm[1:2]'),
        ('"increment_mm": volume.spacing_mm[2:]', '"increment_mm": volume.spacing_mm[1:2]'),
        ("if not (np.isfinite(self.mean).all() and np.isfinite(self.whitening).all()):", "if not np.isfinite(self.whitening).all():"),
        ("self.whitening @ (features - self.mean)", "self.whitening @ features"),
    ),
    *mutants(
        "hyrisk_desktop/risk/preprocessing.py",
        _INPUT,
        ("(rows - side) // 2 + shift[1], (columns - side) // 2 + shift[0]", "(rows - side) // 2 + shift[0], (columns - side) // 2 + shift[1]"),
        ("min(max(top, 0), rows - side)", "top"),
        ('interpolate(cut, (size, size), mode="bilinear", align_corners=False, antialias=True)', 'interpolate(cut, (size, size), mode="bilinear", align_corners=False)'),
        ("                    antialias=True,\n", "                    antialias=False,\n"),
        ("                    align_corners=False,\n", "                    align_corners=True,\n"),
        ("c.top : c.top + c.side, c.left : c.left + c.side]", "c.left : c.left + c.side, c.top : c.top + c.side]"),
        ("int(rng.integers(0, rows - side + 1))", "int(rng.integers(0, rows - side))"),
        ("self.patch_xyz[0] * ratio)", "self.patch_xyz[0] * ratio - 0.5)"),
        ("    starts = [c - s // 2 for", "    starts = [c - s // 2 - 1 for"),
        ("preprocessing.patch_xyz, preprocessing.hu_window[0])", "preprocessing.patch_xyz, 0.0)"),
        (".clamp(low, high) - low)", ".clamp(min=low) - low)"),
        ("if columns != rows or columns % 2 == 0 or slices != 3:", "if columns != rows or slices != 3:"),
        ("0 < crop <= 1 and", "0 < crop <= 1.2 and"),
        ("round(level / increment_mm)", "round(level)", _LEVELS),
        ("round(level / increment_mm)", "int(level / increment_mm)", _LEVELS),
        ("0 not in levels or ", "", _LEVELS),
        ("or levels != sorted(set(levels))", "", _LEVELS),
        (" or max(map(abs, levels)) > _FARTHEST_LEVEL_MM", "", _LEVELS),
        ("if not isinstance(levels_mm, tuple) or not 1 <= len(levels_mm) <= _MOST_LEVELS:", "if not isinstance(levels_mm, tuple):", _LEVELS),
    ),
    *mutants(
        "hyrisk_desktop/risk/uncertainty.py",
        _INPUT,
        ("CLICK_SHIFT_PX = 3", "CLICK_SHIFT_PX = 2"),
        ("View(CLICK_SHIFT_SLICES, centred_crop(preprocessing, shift=(-s, -s), pixel_mm=pixel_mm))", "View(CLICK_SHIFT_SLICES, centred_crop(preprocessing, shift=(-s, s), pixel_mm=pixel_mm))"),
        ("for ratio in preprocessing.training_crop]", "for ratio in preprocessing.training_crop[:1]]"),
        ("min(0, half - room[0]), max(0, room[1] - half)", "half - room[0], room[1] - half", _LEVELS),
        ("min(0, half - room[0]), max(0, room[1] - half)", "min(0, half - room[0]), max(0, room[1])", _LEVELS),
        ("min(0, half - room[0]), max(0, room[1] - half)", "min(0, -room[0]), max(0, room[1] - half)", _LEVELS),
        ("View(min(max(dz, lowest), highest), crop)", "View(dz, crop)", _LEVELS),
    ),
    *mutants(
        "hyrisk_desktop/risk/score_input.py",
        _SCORE,
        ("return score * 2.0 / 3.0 - 1.0", "return score / 2.0 - 1.0"),
        ("math.log1p(self.highest) - 1.0, 1.0)", "math.log1p(self.highest) - 1.0, 9.0)"),
        ("2.0 * math.log1p(score) / math.log1p", "2.0 * score / self.highest * math.log1p(self.highest) / math.log1p"),
        ('check_number("highest", self.highest) <= 0', 'check_number("highest", self.highest) < 0'),
    ),
    *mutants(
        "hyrisk_desktop/risk/engine.py",
        _PREDICTOR,
        ("NON_SURVIVOR = 1", "NON_SURVIVOR = 0"),
    ),
    *mutants(
        "hyrisk_desktop/risk/network.py",
        _PREDICTOR,
        ("torch.cat([features, score[:, None].to(features.dtype)], dim=1)", "torch.cat([score[:, None].to(features.dtype), features], dim=1)"),
    ),
    *mutants(
        "hyrisk_desktop/risk/predictor.py",
        _PREDICTOR,
        ('risknet=float(self._risks("risknet", image_odds)[0])', 'risknet=float(self._risks("hyrisknet", image_odds)[0])'),
        ('head = "risknet" if score is None else "hyrisknet"', 'head = "hyrisknet"'),
        ("np.array([odds.min(), odds.max()])", "np.array([odds[0], odds.max()])"),
        ("np.array([odds.min(), odds.max()])", "np.array([odds.min(), odds[:-1].max()])", _ANY_VIEW),
        ("np.array([odds.min(), odds.max()])", "np.array([np.sort(odds)[1], odds.max()])", _ANY_VIEW),
        ("np.array([odds.min(), odds.max()])", "np.array([odds.min(), odds[0]])"),
        ("self._calibration(head).risk(odds[:1])[0]), bundle", "risks[0]), bundle"),
        ("bundle.reference.get(head, np.empty(0))", 'bundle.reference.get("hyrisknet", np.empty(0))'),
        ('float(self._risks("hyrisknet", self._fused', 'float(self._risks("risknet", self._fused'),
        ("prevalence=self.prevalence or self._calibration(head).prevalence", 'prevalence=self.prevalence or self._calibration("risknet").prevalence'),
        ("return self._calibration(head).risk(odds, self.prevalence)", "return self._calibration(head).risk(odds)"),
        ("return own if self.prevalence is None else (self.prevalence,)", "return own"),
        ("            self._seen.move_to_end(key)\n", "", _CACHE),
        ("self._prepared(look, look.others)))", "self._prepared(look, [*look.own, *look.others[:-1]])))"),
        ("        on_first(own)\n", "", _FIRST),
        ("self._engine.joined(own.features, others)", "self._engine.joined(others, own.features)"),
        ("self._seen.popitem(last=False)", "self._seen.popitem()", _CACHE),
        ("if grade is not None and not 0 <= grade <= 3:", "if grade is not None and not 0 <= grade <= 3.05:", _REFUSED),
        ("if agatston is not None and not agatston >= 0:", "if agatston is not None and agatston < 0:", _AGATSTON),
        ("        if not np.isfinite(odds).all():", "        if False:", _FINITE),
        ('agatston if self.bundle.score_input == "agatston" else grade', "grade", _AGATSTON),
    ),
    *mutants(
        "hyrisk_desktop/risk/look.py",
        _ENDS,
        ("first + view.slice_shift)", "first - view.slice_shift)", _CLICKS),
        ("for view in (*own, *interval_views(preprocessing, 1.0))}", "for view in own}", _SEEN),
        ("for view in (*own, *interval_views(preprocessing, 1.0))}", "for view in interval_views(preprocessing, 1.0)}", _SEEN),
        ("range(middle - half, middle + half + 1)", "range(middle - half, middle + half)", _SEEN),
        ("(centre_z, depth - 1 - centre_z))\n    half", "(depth, depth))\n    half", _SEEN),
        ("inside = min(max(z - half + i, 0), depth - 1)", "inside = min(max(z - half + i, 0), depth - 2)"),
        ("            block = _repeat_edge_slices(block, depth, centre[2])", "            pass"),
        ("outside = cut_patch(volume.hu, centre, preprocessing)[1]", "outside = True", _PATCH),
        ("hashlib.blake2b(self.block.tobytes() + views.encode(), digest_size=16)", "hashlib.blake2b(views.encode(), digest_size=16)", _PIXELS),
        ('f"{self.block.dtype} {self.own} {self.others}"', 'f"{self.block.dtype}"', _STEADY),
        ('f"{self.block.dtype} {self.own} {self.others}"', 'f"{self.block.dtype} {self.others}"', _LEVELS),
        ("len(self.block) - self.slices) // 2", "len(self.block) - self.slices) // 2 + 1", _CLICKS),
        ("(centre[2], depth - 1 - centre[2])", "(centre[2], depth - centre[2])", _LEVELS),
    ),
    *mutants(
        "hyrisk_desktop/risk/torch_engine.py",
        _PREDICTOR,
        ("torch.backends.cuda.matmul.allow_tf32 = False", "torch.backends.cuda.matmul.allow_tf32 = True", "",
         "it changes digits on a CUDA device only; test_cpu_and_cuda_agree runs where there is one"),
    ),
    *mutants(
        "hyrisk_desktop/risk/bundle.py",
        _BUNDLE,
        ("    if data.get(_SEAL) != _description_sha256(data):", "    if False:"),
        ('    if hashlib.sha256(weights).hexdigest() != data.get("sha256"):', "    if False:"),
        ("    return bundle, model.eval()", "    return bundle, model"),
        ("if name not in _HEADS:", "if False:"),
        ("if not ((found >= 0) & (found <= 1)).all():", "if not (found >= 0).all():"),
        ("return np.sort(found.astype(np.float64))", "return found.astype(np.float64)"),
        ("if key != _SEAL}", "if key not in (_SEAL, \"calibration\")}"),
        ('f"{self.sha256}{self.description_sha256}"', 'f"{self.sha256}"', "tests/unit/risk/test_predictor.py::test_reading_is_complete tests/unit/risk/test_bundle.py"),
        ('data.get("schema_version") != SCHEMA_VERSION:', 'data.get("schema_version") < SCHEMA_VERSION:'),
        ("        written = load_bundle(staging)[0]", "        written = bundle"),
    ),
    *mutants(
        "hyrisk_desktop/risk/depths.py",
        "tests/unit/risk/test_resnet.py",
        ("152: (3, 8, 36, 3)", "152: (3, 8, 35, 3)"),
    ),
    *mutants(
        "hyrisk_desktop/risk/resnet.py",
        "tests/unit/risk/test_resnet.py",
        ("if depth < 50 else", "if depth <= 50 else"),
        ("nn.Conv2d(3, before, 7, 2, padding=3, bias=False)", "nn.Conv2d(3, before, 7, 2, padding=2, bias=False)"),
        ("nn.MaxPool2d(3, 2, padding=1)", "nn.MaxPool2d(2, 2)"),
        ("stride = 2 if stage and not number else 1", "stride = 2 if not number else 1"),
        ("        nn.Linear(before, _CLASSES_OF_IMAGENET)\n", ""),
        ('mode="fan_out"', 'mode="fan_in"'),
        ("        out += past\n", ""),
        ("self.conv2, self.bn2 = _convolution(width, width, 3, stride), nn", "self.conv2, self.bn2 = _convolution(width, width, 3), nn"),
        ("x = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))", "x = self.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))"),
    ),
]  # fmt: skip
