"""Mutants of what makes a risk hold still, of a study, a validation, a comparison, and of the check of exams."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_INPUT = "tests/unit/risk/test_steady_input.py"
_STEADY = "tests/training/test_steady.py"
_FACTORS = "tests/unit/risk/test_factors.py"
_STUDY = "tests/training/test_study.py"
_VALIDATE = "tests/training/test_validate.py"
_COMPARE = "tests/unit/comparison/test_compare.py"
_STORE = "tests/unit/risk/test_model_store.py"

STEADY = [
    *mutants(
        "hyrisk_desktop/risk/preprocessing.py",
        _INPUT,
        ("side = self.crop_mm / pixel_mm * ratio / self.inference_crop", "side = self.crop_mm * pixel_mm * ratio / self.inference_crop"),
        ("side = self.crop_mm / pixel_mm * ratio / self.inference_crop", "side = self.crop_mm / pixel_mm"),
        ("return max(1, round(min(side, self.patch_xyz[0])))", "return max(1, round(side))"),
        ("        if pixel_mm is None:\n", "        if False:\n"),
        ("return min(max(blood_hu - middle, -_LARGEST_SHIFT), _LARGEST_SHIFT)", "return blood_hu - middle"),
        ("return min(max(blood_hu - middle, -_LARGEST_SHIFT), _LARGEST_SHIFT)", "return min(max(middle - blood_hu, -_LARGEST_SHIFT), _LARGEST_SHIFT)"),
        ("        if len(near) < _FEWEST_BLOOD:\n", "        if len(near) < 1:\n"),
        ("        return {key: value for key, value in values.items() if value is not None}", "        return values"),
        ("not 0 < check_number(\"crop_mm\", self.crop_mm) <= _LARGEST_SIDE", "not check_number(\"crop_mm\", self.crop_mm) <= _LARGEST_SIDE"),
    ),
    *mutants(
        "hyrisk_desktop/risk/predictor.py",
        _INPUT,
        ('f"{block.dtype} {pixel_mm}".encode()', 'f"{block.dtype}".encode()'),
        ("        own = self._maps(self._prepare(block, volume.spacing_mm[0])[:1])", "        own = self._maps(self._prepare(block, volume.spacing_mm[0])[1:2])", "tests/training/test_validate.py"),
    ),
    *mutants(
        "model_training/twins.py",
        _STEADY,
        ("        take=1,\n", ""),
        ("risks = 1 / (1 + np.exp(-(seen + RISK_WEIGHTS[\"hidden\"] * _NODES)))", "risks = 1 / (1 + np.exp(-(seen + 0 * _NODES)))"),
        ("rng.uniform(-SHIFT_Z_MM, SHIFT_Z_MM) / increment", "rng.uniform(-SHIFT_Z_MM, SHIFT_Z_MM)"),
    ),
    *mutants(
        "model_training/jitter.py",
        _STEADY,
        ("image = image + sharp[:, None, None, None] * (image - _blurred(image))", "image = image + sharp[:, None, None, None] * _blurred(image)"),
        ("return image + noise[:, None, None, None] * torch.randn", "return image + 0 * noise[:, None, None, None] * torch.randn"),
    ),
    *mutants(
        "model_training/train.py",
        _STEADY,
        ("loss = loss + config.hold * (first - again).square().mean()", "loss = loss + (first - again).square().mean()"),
        ("first, again = log_odds(logits).chunk(2)", "first, again = log_odds(logits), log_odds(logits)"),
        ("loss = loss + config.factors * (told - known).square().mean()", "loss = loss + (told - known).square().mean()"),
        ("loss = loss + config.factors * (told - known).square().mean()", "loss = loss + config.factors * (told - known).abs().mean()"),
        ("known = job.factors[where].to(job.device)", "known = job.factors[: len(where)].to(job.device)"),
        (" if not key.startswith(FACTOR_HEAD)}", "}"),
        ("            nn.init.zeros_(parameter)\n", "            nn.init.ones_(parameter)\n"),
    ),
    *mutants(
        "model_training/steady.py",
        _STEADY,
        ("    part = values[training]\n", "    part = values\n"),
        ("(values - part.mean(axis=0)) / part.std(axis=0)", "values / part.std(axis=0)"),
        ("(values - part.mean(axis=0)) / part.std(axis=0)", "values - part.mean(axis=0)"),
    ),
    *mutants(
        "model_training/fuse.py",
        "tests/training/test_fits.py",
        ("    model.image_head.weight.zero_()\n", ""),
        ("    model.image_head.bias.zero_()\n", ""),
        ("half = 0.5 if NON_SURVIVOR == 1 else -0.5", "half = -0.5 if NON_SURVIVOR == 1 else 0.5"),
        ("head.bias.copy_(torch.stack([-bias, bias]).float() * half)", "head.bias.copy_(torch.stack([-bias, bias]).float())"),
        ("    _install(model.image_head, line.weight, line.bias)\n", ""),
    ),
    *mutants(
        "model_training/spread.py",
        "tests/training/test_spread.py",
        ("    forget_image_head(start)\n", ""),
        ("    start = copy.deepcopy(model)\n", "    start = model\n"),
        ('    return start, float(stage_two["image_pull"])', '    return start, float(stage_two["pull"])'),
    ),
    *mutants(
        "model_training/deviations.py",
        _STEADY,
        ("    if config.factors:\n", "    if False:\n"),
    ),
    *mutants(
        "model_training/units.py",
        _STEADY,
        ('for key in ("hu_window", "crop_mm", "blood_hu")', 'for key in ("hu_window",)'),
    ),
    *mutants(
        "hyrisk_desktop/risk/factors.py",
        _FACTORS,
        ("FactorShare(name, float(slope * coefficient * amount), r2)", "FactorShare(name, float(coefficient * amount), r2)"),
        ("@ features.astype(np.float64) + self.constants", "@ features.astype(np.float64)"),
        ("key=lambda share: -abs(share.log_odds)", "key=lambda share: -share.log_odds"),
        ('if weights.dtype.kind not in "if" or constants.dtype.kind not in "if":', "if False:"),
        ("if not all(0 <= check_number(\"explained\", value) <= 1 for value in self.explained.values()):", "if False:"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/fat.py",
        "tests/unit/imaging/test_fat.py",
        ("(block >= FAT_HU[0])", "(block > FAT_HU[0])"),
        ("(block <= FAT_HU[1])", "(block < FAT_HU[1])"),
        ("<= radius_mm**2", "< radius_mm**2 / 4"),
        ("/ 1000.0", "/ 100.0"),
    ),
    *mutants(
        "model_training/study/factors.py",
        _STUDY,
        ("for value in (-1.0, 1.0)]", "for value in (0.0, 1.0)]"),
        ("2 * RISK_WEIGHTS.get(trait, 0.0))", "RISK_WEIGHTS.get(trait, 0.0))"),
        ('yield Intervention("calcium_mass", light, heavy, 0.0)', 'yield Intervention("calcium_mass", light, heavy, 1.0)'),
        ("lesions=count, faint=0, agatston_target=target, burden=real", "lesions=count, faint=0, agatston_target=target"),
    ),
    *mutants(
        "model_training/study/probes.py",
        _STUDY,
        ("weights @ scale.mean_", "0 * weights @ scale.mean_"),
        ("fit.coef_ / scale.scale_", "fit.coef_ * scale.scale_"),
        ("if r2[name] >= LEAST_R2]", "if r2[name] < LEAST_R2]"),
        ("risk, shown = calibration.risk(odds), calibration.slope * odds", "risk, shown = calibration.risk(odds), odds"),
    ),
    *mutants(
        "model_training/validation/recalibrate.py",
        _VALIDATE,
        ("slope=round(old.slope * slope, 6)", "slope=round(slope, 6)"),
        ("intercept=round(old.intercept * slope + intercept, 6)", "intercept=round(old.intercept + intercept, 6)"),
        ("after = cross_fitted_risk(odds, outcome, folds)", "after = 1 / (1 + np.exp(-(slope * odds + intercept)))"),
        ("        if slope < _LEAST_SLOPE:\n", "        if False:\n"),
        ("    if rarer < FEWEST:\n", "    if False:\n"),
        ("demonstration=bundle.demonstration or data.synthetic", "demonstration=data.synthetic and False"),
        ("cases = np.flatnonzero(used)", "cases = np.arange(len(used))"),
    ),
    *mutants(
        "model_training/validation/statistics.py",
        _VALIDATE,
        ("middle, half = p + z * z / (2 * of)", "middle, half = p"),
        ("    if not of:\n", "    if False:\n"),
        (".fit(odds[:, None], outcome, sample_weight=weight)", ".fit(odds[:, None], outcome)"),
    ),
    *mutants(
        "model_training/validation/results.py",
        _VALIDATE,
        ("shown_risks(reads)\n    groups", "{'risknet': np.array([read.risknet for read in reads])}\n    groups"),
        ("if all(read.hyrisknet is not None for read in reads):", "if any(read.hyrisknet is not None for read in reads):"),
        ("_auc(risk, data, groups, ~withheld)", "_auc(risk, data, groups, withheld)"),
        ("for reason in read.reasons[:1])", "for reason in read.reasons)"),
        ("if seen := cases_seen(bundle, data):", "if seen := 0:"),
    ),
    *mutants(
        "model_training/validation/cases.py",
        _VALIDATE,
        ("            if keys[read.index] != key:\n", "            if False:\n"),
        ("OFF_MM * w / mm", "OFF_MM * w"),
        ("    if volume.contains(click):\n", "    if True:\n"),
    ),
    *mutants(
        "model_training/exam_check.py",
        "tests/training/test_exam_check.py",
        ("if case.patient != first.patient:", "if True:"),
        ("hashlib.file_digest(stream, \"sha256\").hexdigest()", "str(path.stat().st_size)"),
        ("        if name not in table.columns\n", ""),
    ),
    *mutants(
        "hyrisk_desktop/risk/model_summary.py",
        _STORE,
        ("found[1][0] <= _CHANCE:", "found[1][0] < _CHANCE:"),
        ("found[1][0] <= _CHANCE:", "found[0] <= _CHANCE:"),
    ),
    *mutants(
        "hyrisk_desktop/risk/model_store.py",
        _STORE,
        ("if not anyway and (doubt := doubt_of(verify_bundle(staging))):", "if doubt := doubt_of(verify_bundle(staging)):"),
        ("if not anyway and (doubt := doubt_of(verify_bundle(staging))):", "if False and (doubt := ''):"),
    ),
    *mutants(
        "hyrisk_desktop/imaging/registration.py",
        _COMPARE,
        ("matrix[:3, 3] = shift + centre - turn @ centre", "matrix[:3, 3] = shift"),
        ("found.SetTranslation([float(v) for v in away - middle])", "found.SetTranslation([float(v) for v in middle - away])"),
        (")) * _SURFACE_STEP_MM", "))"),
    ),
    *mutants(
        "hyrisk_desktop/comparison/change.py",
        _COMPARE,
        ("days >= FEWEST_DAYS:", "days > FEWEST_DAYS:"),
        ("difference * DAYS_A_YEAR / days", "difference / days"),
        ("else current - prior", "else prior - current"),
        ("back = prior.mm_to_voxel(laid.to_prior(current.voxel_to_mm(here)))", "back = here"),
        ("if kernels[0] != kernels[1]:", "if False:"),
    ),
    *mutants(
        "hyrisk_desktop/comparison/same_patient.py",
        _COMPARE,
        ('value.strip().rstrip("^ ").casefold()', "value"),
        ("    if then > now:\n", "    if False:\n"),
        ('for key in ("AcquisitionDate", "SeriesDate", "StudyDate"):', 'for key in ("StudyDate",):'),
        ("    if not known(current):\n", "    if False:\n"),
    ),
]  # fmt: skip
