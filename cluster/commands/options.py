"""Make the options of a command from the fields of a dataclass.

The text of a field under ``Attributes:`` in the docstring of its class is the option's help, and its default the
option's, so that Python, documentation and command line say the same. Metadata of a field may say more:

    option     name of the option, where it is not the field's
    argument   True if the value stands in the command without a name
    metavar    how the value is shown in the help
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from functools import wraps
from textwrap import dedent
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Optional, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

from mpnas_ray.errors import RunError

__all__ = ["Command", "Names", "completes", "field_texts", "from_options", "takes_options"]

C = TypeVar("C")

Names: TypeAlias = Collection[str] | Callable[[], Iterable[str]]
"""Names that an option takes, or a function that finds them where that takes long."""


def takes_options(
    kind: type[C], *, groups: Mapping[str, type] | None = None, names: Mapping[str, Names] | None = None
) -> Callable[[Callable[[C], None]], Callable[..., None]]:
    """Turn a function of one dataclass into a command that takes its fields as options.

    Args:
        kind: The dataclass.
        groups: Title -> base class of ``kind`` whose fields stand under it in the help; one list if None.
        names: Field -> names that it takes, for its help (see `Command`) and shell completion.
    """

    def decorate(function: Callable[[C], None]) -> Callable[..., None]:
        @wraps(function)
        def command(**given: Any) -> None:
            function(from_options(kind, given))

        title_of = {field.name: title for title, base in (groups or {}).items() for field in fields(base)}
        texts, hints = field_texts(kind), get_type_hints(kind)
        parameters = []
        for field in fields(kind):  # type: ignore[arg-type]  # a dataclass
            option = _option(field, texts[field.name], (names or {}).get(field.name), title_of.get(field.name))
            annotation = Annotated[_option_type(hints[field.name], _default(field)), option]  # type: ignore[valid-type]  # made here
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
        command.names = dict(names or {})  # type: ignore[attr-defined]
        del command.__wrapped__  # typer would look at the signature of that
        return command

    return decorate


class Command(TyperCommand):
    """A command whose help lists the names that its options take.

    They are looked up when the help is shown: some registries take seconds to import.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the names from their registries."""
        names: Mapping[str, Names] = getattr(self.callback, "names", {})
        for parameter in self.params:
            if parameter.name in names:
                known = names[parameter.name]
                found = list(known() if callable(known) else known)
                separator = "; " if any("," in name for name in found) else ", "
                parameter.help = f"{parameter.help} One of: {separator.join(found)}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def from_options(kind: type[C], given: Mapping[str, Any]) -> C:
    """Build the dataclass from the values of the options that `takes_options` made of it.

    Raises:
        RunError: If a list of ``NAME=AMOUNT`` or of numbers is not one.
    """
    hints, values = get_type_hints(kind), {}
    for field in fields(kind):  # type: ignore[arg-type]  # a dataclass
        value, first = given[field.name], _members(hints[field.name])[0]
        if first is dict:
            value = _amounts(value, field.metadata["option"])
        elif first is tuple:
            value = tuple(value or ())
            if get_args(hints[field.name])[:1] == (int,):
                value = _whole_numbers(value, field.metadata["option"])
        values[field.name] = value
    return kind(**values)


def field_texts(kind: type) -> dict[str, str]:
    """Read the text of each field from the ``Attributes:`` of a dataclass and its bases, each on one line."""
    texts: dict[str, str] = {}
    for base in kind.__mro__:
        _, _, listed = (base.__doc__ or "").partition("Attributes:\n")
        section, *_ = re.split(r"\n\s*\n", listed)
        for name, text in re.findall(r"^(\w+): (.*(?:\n +.*)*)", dedent(section), flags=re.MULTILINE):
            texts.setdefault(name, " ".join(text.split()))
    return texts


def _option(field: Field[Any], text: str, names: Names | None, title: str | None) -> Any:
    more: dict[str, Any] = {"metavar": field.metadata["metavar"]} if "metavar" in field.metadata else {}
    if names is not None:
        more["autocompletion"] = completes(names)
    if _default(field) is MISSING:
        more["show_default"] = False
    more |= {"help": text.replace("[", r"\["), "rich_help_panel": title}
    if field.metadata.get("argument"):
        return typer.Argument(**more)
    declared = [field.metadata["option"]] if "option" in field.metadata else []
    if field.type in ("bool", bool) and not declared:
        declared = [f"--{field.name.replace('_', '-')}"]  # without a --no-...
    return typer.Option(*declared, **more)


def completes(names: Names) -> Callable[[str], list[str]]:
    """Make the function that typer calls for completions: the names that begin with what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in (names() if callable(names) else names) if name.startswith(incomplete)]

    return complete


def _default(field: Field[Any]) -> Any:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return None if default == () else default


def _members(hint: Any) -> list[Any]:
    """List the types of a value except None: containers without the types of their items, texts for literals."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    origins = [(get_origin(member) or member) for member in members if member is not NoneType]
    return [str if origin is Literal else origin for origin in origins]


def _option_type(hint: Any, default: Any) -> Any:
    """Choose the type by which an option is read: the first of several; a list of texts for a tuple or a dict."""
    first = _members(hint)[0]
    if first in (dict, tuple):
        first = list[str]
    return Optional[first] if default is None else first  # noqa: UP045  (typer reads it on every Python)


def _whole_numbers(given: Iterable[str], option: str) -> tuple[int, ...]:
    """Read ``["8,16", "32"]``."""
    try:
        return tuple(int(number) for each in given for number in each.split(","))
    except ValueError as error:
        raise RunError(f"{option} takes whole numbers with commas between, such as 1,2,3.") from error


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
