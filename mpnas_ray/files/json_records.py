"""Reading JSON that anybody may have written or damaged: values of the right types come out, or a ValueError."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["from_plain", "parse_json"]

_T = TypeVar("_T")

_DEEPEST = 100
"""Levels of lists and objects inside each other. Nothing of ours has ten, and Python's own parser and printer give up
at some hundred, by an error that depends on how deep the caller is."""


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: If it is not JSON, or nested more than 100 deep.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return content
    raise ValueError("it is nested too deep")


def from_plain(cls: type[_T], values: object) -> _T:
    """Build a dataclass from a JSON object with its fields, checking the type of each.

    Fields that are dataclasses themselves are built in the same way; lists become tuples and whole numbers become
    floats where the field is declared so.

    Args:
        cls: A dataclass whose fields are declared with plain types: texts, numbers, booleans, None, literals, unions of
            them, and lists, tuples ``[..., ...]``, mappings and dataclasses of them.
        values: Values that were read; fields that have a default may be missing.

    Raises:
        ValueError: Naming the first field that is missing, unknown or of another type. What ``cls`` itself raises goes
            through.
    """
    if not isinstance(values, dict):
        raise ValueError(f"it is {_shown(values)}, not an object with fields")
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]  # a dataclass
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{name} is missing")
    for name in values:
        if name not in known:
            raise ValueError(f"{_shown(name)} is not known")
    return cls(**{name: _converted(value, hints[name], name) for name, value in values.items()})


def _converted(value: Any, hint: Any, name: str) -> Any:
    """The value as the field is to have it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        for choice in arguments:
            with suppress(ValueError):
                return _converted(value, choice, name)
    elif origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in arguments):
            return value
    elif is_dataclass(hint):
        try:
            return from_plain(hint, value)  # type: ignore[arg-type]  # a class, as fields are declared
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    elif origin in (list, tuple):
        if isinstance(value, list | tuple):
            return origin(_converted(item, arguments[0], f"{name}[{place}]") for place, item in enumerate(value))
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {key: _converted(item, arguments[1], f"{name}[{key!r}]") for key, item in value.items()}
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError as error:
                raise ValueError(f"{name} is too large a number") from error
    elif hint in (None, type(None)):
        if value is None:
            return value
    elif type(value) is hint:
        return value
    raise ValueError(f"{name} is {_shown(value)}, not {_name(hint)}")


def _shown(value: object) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _name(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_name, arguments))
    if origin is Literal:
        return "one of " + ", ".join(json.dumps(choice) for choice in arguments)
    if origin in (list, tuple):
        return f"a list of {_name(arguments[0])}s"
    if origin is not None:
        return "an object"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))
