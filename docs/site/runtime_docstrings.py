"""An extension of griffe that shows the docstrings and signatures that classes have at run time.

Searchers repeat the arguments that they share with their base, and `cluster.SearchConfig` repeats those of its groups,
when they are imported. The source alone does not show them.
"""

from __future__ import annotations

import inspect
from typing import Any

import griffe

_PACKAGES = ("searchers", "cluster.run.config")


class RuntimeDocstrings(griffe.Extension):
    """Replace docstring and signature of public classes by those of the imported class."""

    def on_class(self, *, cls: griffe.Class, **others: Any) -> None:
        """Look at one class after its members are known."""
        if not cls.path.startswith(_PACKAGES) or cls.name.startswith("_") or cls.docstring is None:
            return
        imported = griffe.dynamic_import(cls.path)
        cls.docstring.value = inspect.getdoc(imported) or cls.docstring.value
        constructor = cls.members.get("__init__")
        if isinstance(constructor, griffe.Function):
            own = {parameter.name: parameter for parameter in constructor.parameters}
            constructor.parameters = griffe.Parameters(
                own["self"],
                *(
                    own.get(name, _shown(parameter))
                    for name, parameter in inspect.signature(imported).parameters.items()
                ),
            )


def _shown(parameter: inspect.Parameter) -> griffe.Parameter:
    """A parameter that the source does not name."""
    return griffe.Parameter(
        parameter.name,
        kind=griffe.ParameterKind(parameter.kind.description),
        annotation=None if parameter.annotation is parameter.empty else str(parameter.annotation),
        default=None if parameter.default is parameter.empty else repr(parameter.default),
    )
