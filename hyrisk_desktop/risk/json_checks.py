"""Refusals of values that would silently change what a network sees or how its answer is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

_LONGEST_TEXT = 4096


def check_number(name: str, value: object) -> float:
    """``value`` as float if it is a finite number; text and truth values are not numbers. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number")
    try:
        number = float(value)
    except OverflowError as e:
        raise ValueError(f"{name} is too large") from e
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite")
    return number


def check_integer(name: str, value: object, lowest: int, highest: int) -> int:
    """``value`` if it is a whole number in ``lowest`` to ``highest``; raises ValueError otherwise.

    Args:
        name: of the value, for the error.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not lowest <= int(value) <= highest:
        raise ValueError(f"{name} must be a whole number in {lowest} to {highest}")
    return int(value)


def check_tuple(name: str, value: object, length: int) -> tuple[Any, ...]:
    """``value`` if it is a tuple of ``length``; raises ValueError otherwise."""
    if not isinstance(value, tuple) or len(value) != length:
        raise ValueError(f"{name} must have {length} values")
    return value


def check_keys(kind: type, data: object) -> dict[str, Any]:
    """``data`` if it names every field of the dataclass ``kind`` and nothing else.

    A default standing in for a missing key would change the reading without a word.

    Raises:
        TypeError: a key is missing or unknown, or ``data`` is no mapping.
    """
    names = {field.name for field in fields(kind)}
    if not isinstance(data, Mapping) or set(data) != names:
        raise TypeError(f"{kind.__name__} needs exactly {sorted(names)}")
    return dict(data)


def check_text(value: object) -> str:
    """``value`` if it is a text; raises TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def check_truth(value: object) -> bool:
    """``value`` if it is true or false; raises TypeError otherwise."""
    # bool("false") would be true, and a demonstration model must not pass for another.
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


def check_texts(data: dict[str, Any]) -> None:
    """No text of a description is longer than a page: they are shown as they are. Raises ValueError."""
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            raise ValueError("a text is too long")
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
