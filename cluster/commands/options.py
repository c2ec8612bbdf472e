"""Make the options of a command from the fields of a dataclass.

The text of a field under ``Attributes:`` in the docstring of its class is the option's help, and its default the
option's, so that Python, documentation and command line say the same. Metadata of a field may say more:

    option   name of the option, where it is not the field's
    names    names that the option takes, for help and shell completion; a function of them where that takes long, whose
             names are completed alone
    metavar  how the value is shown in the help
    min      least number
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from functools import wraps
from types import NoneType, UnionType
from typing import Annotated, Any, Optional, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import typer

from mpnas_ray.errors import RunError

__all__ = ["Names", "completes", "field_texts", "from_options", "takes_options"]

C = TypeVar("C")

Names: TypeAlias = Collection[str] | Callable[[], Iterable[str]]


def takes_options(
    kind: type[C], *, groups: Mapping[str, type] | None = None, names: Mapping[str, Names] | None = None
) -> Callable[[Callable[[C], None]], Callable[..., None]]:
    """Turn a function of one dataclass into a command that takes its fields as options.

    Args:
        kind: The dataclass.
        groups: Title -> base class of ``kind`` whose fields stand under it in the help; one list if None.
        names: Field -> its names, as in the fields' metadata.
    """

    def decorate(function: Callable[[C], None]) -> Callable[..., None]:
        @wraps(function)
        def command(**given: Any) -> None:
            function(from_options(kind, given))

        title_of = {field.name: title for title, base in (groups or {}).items() for field in fields(base)}
        texts, hints = field_texts(kind), get_type_hints(kind)
        parameters = []
        for field in fields(kind):  # type: ignore[arg-type]  # a dataclass
            find = field.metadata.get("names") or (names or {}).get(field.name)
            option = _option(field, texts[field.name], find, title_of.get(field.name))
            annotation = Annotated[_option_type(hints[field.name]), option]  # type: ignore[valid-type]  # made here
            default = _default(field)
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if default is MISSING else default,
                    annotation=annotation,
                )
            )
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del command.__wrapped__  # typer would look at the signature of that
        return command

    return decorate


def from_options(kind: type[C], given: Mapping[str, Any]) -> C:
    """Build the dataclass from the values of the options that `takes_options` made of it.

    Raises:
        RunError: If a list of ``NAME=AMOUNT`` is not one.
    """
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]  # a dataclass
        value = given[field.name]
        if _members(get_type_hints(kind)[field.name])[0] is dict:
            value = _amounts(value, field.metadata["option"])
        elif isinstance(value, list):
            value = tuple(value)
        values[field.name] = value
    return kind(**values)


def field_texts(kind: type) -> dict[str, str]:
    """Read the text of each field from the ``Attributes:`` of a dataclass and its bases, each on one line."""
    texts: dict[str, str] = {}
    for base in kind.__mro__:
        _, _, listed = (base.__doc__ or "").partition("Attributes:\n")
        section, *_ = re.split(r"\n\s*\n", listed)
        for name, text in re.findall(r"^(\w+): (.*(?:\n +.*)*)", inspect.cleandoc(section), flags=re.MULTILINE):
            texts.setdefault(name, " ".join(text.split()))
    return texts


def _option(field: Field[Any], text: str, names: Names | None, title: str | None) -> Any:
    more: dict[str, Any] = {name: field.metadata[name] for name in ("metavar", "min") if name in field.metadata}
    if names is not None:
        more["autocompletion"] = completes(names)
        text += "" if callable(names) else f" One of: {', '.join(names)}."
    if _default(field) is MISSING:
        more["show_default"] = False
    declared = [field.metadata["option"]] if "option" in field.metadata else []
    if field.type in ("bool", bool):
        declared = [f"--{field.name.replace('_', '-')}"]  # without a --no-...
    return typer.Option(*declared, help=text.replace("[", r"\["), rich_help_panel=title, **more)


def completes(names: Names) -> Callable[[str], list[str]]:
    """Make what typer asks for the names that begin as the user has begun."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in (names() if callable(names) else names) if name.startswith(incomplete)]

    return complete


def _default(field: Field[Any]) -> Any:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return None if default == () else default


def _members(hint: Any) -> list[Any]:
    """The types that a value may have, but for None, those of containers without their items."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return [get_origin(member) or member for member in members if member is not NoneType]


def _option_type(hint: Any) -> Any:
    """The type by which an option is read: of several the first, for a tuple or a dict a list of texts."""
    first = _members(hint)[0]
    if first in (dict, tuple):
        return Optional[list[str]]  # noqa: UP045  (typer reads it on every Python)
    return Optional[first] if NoneType in get_args(hint) else first  # noqa: UP045


def _amounts(given: Iterable[str] | None, option: str) -> dict[str, float] | None:
    """Read ``["slots=0.5"]``."""
    amounts: dict[str, float] = {}
    for each in given or ():
        name, _, amount = each.rpartition("=")
        if name in amounts:
            raise RunError(f"{option} names {name!r} twice: say its whole amount once.")
        try:
            amounts[name] = float(amount)
        except ValueError as error:
            raise RunError(f"{option} takes NAME=AMOUNT, such as slots=1, not {each!r}.") from error
    return amounts or None
