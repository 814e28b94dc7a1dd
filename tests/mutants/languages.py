"""Mutants of what people read in their language and machines in English."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_I18N = "tests/unit/test_i18n.py"
_CATALOGUES = "tests/unit/test_catalogues.py"
_SETTINGS = "tests/unit/test_settings_shared.py"
_WINDOW = "tests/gui/test_window_says.py"

LANGUAGES = [
    *mutants(
        "hyrisk_desktop/i18n.py",
        _I18N,
        ("_filled(one if n == 1 else other,", "_filled(other,"),
        ("_filled(one if n == 1 else other,", "_filled(one if n <= 1 else other,"),
        ("_translation.ngettext(one, other, n)", "_translation.ngettext(one, other, 2)"),
        ("_translation.pgettext(context, text)", "_translation.gettext(text)"),
        ('    return getattr(text, "english", text)', "    return text"),
        ("    return english(text) if _for_machines.get() else text", "    return english(text)"),
        ("    return english(text) if _for_machines.get() else text", "    return text"),
        ("        _for_machines.reset(token)", "        pass"),
        (
            'return text if is_english() else _Sentence(text.replace(".", trc("decimal mark", ".")), text)',
            "return text",
        ),
        (
            'return text if is_english() else _Sentence(text.replace(".", trc("decimal mark", ".")), text)',
            'return text if is_english() else text.replace(".", trc("decimal mark", "."))',
        ),
        (
            'in_english = ", ".join(english(part) for part in parts)',
            'in_english = ", ".join(parts)',
        ),
        (
            "if len(digits) != 8 or not (digits.isascii() and digits.isdecimal()):",
            "if len(digits) != 8 or not digits.isdecimal():",
        ),
        (
            "if len(digits) != 8 or not (digits.isascii() and digits.isdecimal()):",
            "if not (digits.isascii() and digits.isdecimal()):",
        ),
        (
            '.replace("%m", digits[4:6]).replace("%d", digits[6:])',
            '.replace("%d", digits[4:6]).replace("%m", digits[6:])',
        ),
        ("return type(_translation) is _English or _for_machines.get()", "return type(_translation) is _English"),
        ("        return _Sentence, (str(self), self.english)", "        return _Sentence, (str(self), str(self))"),
        (
            "return _Sentence(str(self) + other, self.english + english(other))",
            "return _Sentence(str(self) + other, self.english + other)",
        ),
        (
            "return _Sentence(other + str(self), other + self.english)",
            "return _Sentence(other + str(self), self.english)",
        ),
        (
            'return decimal(cast("float", value), format_spec) if fractional else format(value, format_spec)',
            "return format(value, format_spec)",
        ),
        (
            "said = {name: english(value) if isinstance(value, str) else value for name, value in values.items()}",
            "said = values",
        ),
        ("    if language not in languages_of(locale_dir):", "    if not language:", _SETTINGS),
    ),
    *mutants(
        "hyrisk_desktop/i18n.py",
        "tests/unit/test_findings.py",
        ("if is_english() or language != language_tag() else", "if is_english() else"),
        ("if is_english() or language != language_tag() else", "if language != language_tag() else"),
    ),
    *mutants(
        "hyrisk_desktop/findings.py",
        "tests/unit/test_findings.py",
        ("str(f.severity), english(f.message), *_local(f.message)]", "str(f.severity), f.message]"),
        ("str(f.severity), english(f.message), *_local(f.message)]", "str(f.severity), english(f.message)]"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/pdf.py",
        "tests/unit/exchange/test_languages.py",
        ("*(said(f.message) for f in compared.findings)", "*(f.message for f in compared.findings)"),
        ("*map(said, self.report.model_lines)", "*self.report.model_lines"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/reports/pdf_canvas.py",
        "tests/unit/exchange/test_languages.py",
        ("            self.pdf.current_font_is_set_on_page = False", "            pass"),
        ("        self.lacking |= shown != plain\n", ""),
        ("shown != plain", "shown == plain"),
        ("self.lacking |= shown", "self.lacking = shown"),
    ),
    *mutants(
        "hyrisk_desktop/wide_font.py",
        "tests/unit/exchange/test_languages.py",
        ("and after not in _NOT_FIRST and before not in _NOT_LAST", ""),
        ("for part in [piece] if fits(piece.rstrip()) else piece:", "for part in [piece]:"),
    ),
    *mutants(
        "hyrisk_desktop/settings.py",
        _SETTINGS,
        (
            'for path in (config_dir() / "settings.json", site_settings_path()):',
            'for path in (site_settings_path(), config_dir() / "settings.json"):',
        ),
        ('_usable(_read(path) or {}).get("language")', '(_read(path) or {}).get("language")'),
        (
            "        with contextlib.suppress(OSError, ValueError):\n            if language",
            "        with contextlib.suppress(OSError):\n            if language",
        ),
    ),
    *mutants(
        "hyrisk_desktop/wide_font.py",
        "tests/unit/test_wide_font.py",
        ('max(text, default="") >= _FIRST_WIDE_SIGN', 'max(text, default="") > _FIRST_WIDE_SIGN'),
        ('is_wide(tr("Research use only")) and wide_font() is None', 'is_wide(tr("Research use only"))'),
        ('is_wide(tr("Research use only")) and wide_font() is None', "wide_font() is None"),
        ("next((found[name] for name in _FILES if name in found), None)", "next(iter(found.values()), None)"),
    ),
    *mutants(
        "hyrisk_desktop/gui/letters.py",
        _WINDOW,
        ("    return sign.isascii() and sign.isalnum()", "    return sign.isalnum()"),
        ("        elif not any(map(_has_key, text)) and (", "        elif ("),
        ("            used.add(letter)\n", ""),
        (
            'widget.setText(f"{words}(&{letter.upper()}){text[len(words) :]}")',
            'widget.setText(f"{text}(&{letter.upper()})")',
        ),
        ('return _ADDED.sub("", text).replace("&", "")', 'return text.replace("&", "")'),
    ),
    *mutants(
        "hyrisk_desktop/gui/viewer/lent.py",
        _WINDOW,
        ("            self._splitter.restoreState(self._kept)\n", ""),
        ("self._splitter.saveState() if self._kept is None else self._kept", "self._splitter.saveState()"),
        ("            self._kept = state\n", "            self._splitter.restoreState(state)\n"),
        ("        elif QSplitter().restoreState(state):", "        else:"),
    ),
    *mutants(
        "packaging/catalogues.py",
        _CATALOGUES,
        ('CALLS = {"tr": 1, "trn": 2, "trc": 2}', 'CALLS = {"tr": 1, "trc": 2}'),
        (
            "if len(texts) < CALLS[function] or not all(isinstance(text, str) for text in texts):",
            "if len(texts) < CALLS[function]:",
        ),
        ("catalog.update(texts, no_fuzzy_matching=True)", "catalog.update(texts)"),
    ),
    *mutants(
        "hyrisk_desktop/exchange/deidentified/reports.py",
        "tests/unit/exchange/test_deidentify.py tests/unit/exchange/test_deidentify_refusals.py",
        ("    for sayings in (_allowed, _nobodys):", "    for sayings in (_allowed,):"),
        ("    for sayings in (_allowed, _nobodys):", "    for sayings in (_nobodys,):"),
        (
            "for value, name in held.items() if value not in by_chance}",
            "for value, name in held.items() if not by_chance}",
        ),
        ("    with for_machines():\n", "    if True:\n", "tests/unit/exchange/test_languages.py"),
    ),
]
