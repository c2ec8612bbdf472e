"""One-shot methods by name, each a row of parts.

Two protocols are known of each method. ``authors`` are the numbers of the method's authors, mostly those of their
programs, for data sets of tens of thousands of samples. ``short`` is ours for small tasks, where a training part of a
thousand samples gives hundreds of steps in place of 20,000: batches of 32, weights at a rate of 0.1, at which RSPS on
digits reached a training loss of 1.2 after 10 epochs in place of 2.1 at 0.025 and batches of 64, and logits that move
up to 20 times as fast.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

from mpnas_ray.checks import require_one_of
from mpnas_ray.errors import TaskError
from mpnas_ray.names import did_you_mean, no_such
from mpnas_ray.spaces.mixed import Mixed
from trainables.oneshot.discretising import (
    argmax,
    argmax_without_zero,
    best_of_policy,
    best_of_uniform,
    project_next_slot,
    threshold,
    top_probable,
)
from trainables.oneshot.relaxations import (
    dirichlet,
    drawn_by_policy,
    hard_gumbel,
    path_dropout,
    sigmoid,
    softmax,
    uniform,
    weighted_links,
)
from trainables.oneshot.search import Method, Settings
from trainables.oneshot.skeleton import Skeleton
from trainables.oneshot.steps import first_order, second_order, train_policy, zero_one
from trainables.oneshot.stopping import stop_on_curvature

__all__ = ["Protocol", "check_fits", "get_method", "method_names", "register_method", "settings_of"]

Protocol = Literal["short", "authors"]

_METHODS: dict[str, Method] = {}

_FASTER = 20
"""Factor of our short protocol for the learning rate of logits, for methods whose authors take batches of 64: in 900
steps, as on digits, logits can then go as far as in the authors' 20,000. Larger batches give fewer steps."""


def register_method(method: Method) -> Method:
    """Make a method known by its name in this process.

    Raises:
        TaskError: If another method has that name.
    """
    if _METHODS.get(method.name, method) != method:
        raise TaskError(f"There is already a one-shot method {method.name!r}: give yours another name.")
    _METHODS[method.name] = method
    return method


def method_names() -> list[str]:
    """List the names of all registered methods."""
    return list(_METHODS)


def get_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        TaskError: If there is none; the message lists those there are.
    """
    if not isinstance(name, str) or name not in _METHODS:
        raise TaskError(no_such("one-shot method", name, _METHODS))
    return _METHODS[name]


def settings_of(method: Method, protocol: str = "short", **changed: Any) -> Settings:
    """Return the settings of a method's protocol, some of them changed.

    Args:
        method: Method.
        protocol: ``short`` or ``authors``.
        **changed: Fields of `Settings` in place of the protocol's.

    Raises:
        TaskError: If there is no such protocol or field, or a value is out of its range.
    """
    require_one_of("protocol", protocol, get_args(Protocol), error=TaskError)
    known = Settings.__dataclass_fields__
    for name in changed:
        if name not in known:
            raise TaskError(f"A one-shot search has no setting {name!r}.{did_you_mean(name, known)}")
    return replace(method.short if protocol == "short" else method.authors, **changed)


def check_fits(method: Method, skeleton: Skeleton) -> None:
    """Refuse a space whose cells the method cannot weight.

    Raises:
        TaskError: If the method needs slots and the space's cells choose their edges.
    """
    if not method.needs_slots or skeleton.slots:
        return
    sampling = ", ".join(name for name, other in _METHODS.items() if not other.needs_slots)
    families = ""
    if isinstance(skeleton.space, Mixed) and skeleton.family is None:
        families = " or limit the search to one of its families, nasbench201 or nasbenchasr,"
    raise TaskError(
        f"The method {method.name} weights the operations of cells whose edges are fixed, and those of {skeleton.name} "
        f"choose their edges, too: take a method that samples cells ({sampling}),{families} or another space."
    )


_DARTS = Settings()


def _short(authors: Settings, **changed: Any) -> Settings:
    """Derive our short settings from the authors'."""
    rate = authors.arch_learning_rate * _FASTER * _DARTS.batch_size / authors.batch_size
    faster = {"arch_learning_rate": rate, "arch_from_epoch": 0}
    return replace(authors, **{"epochs": 50, "batch_size": 32, "learning_rate": 0.1, **faster, **changed})


_DARTS_SHORT = _short(_DARTS)

_BENDER = Settings(
    epochs=200,
    batch_size=1024,
    learning_rate=0.1,
    final_learning_rate=0.0,
    clip_norm=None,
    weight_decay=1e-4,
    path_dropout=0.1,
    ghosts=32,
    num_samples=1_000,
    norm="batch",
)
register_method(
    Method(
        "oneshot",
        "all operations at once, paths dropped at random, ghost batch norm; best of random cells (Bender et al. 2018)",
        weight_gates=path_dropout,
        choose=best_of_uniform,
        short=replace(_BENDER, epochs=50, batch_size=64, ghosts=2, num_samples=100),
        authors=_BENDER,
        needs_slots=False,
    )
)

_RSPS = Settings(num_samples=1_000)
register_method(
    Method(
        "rsps",
        "weights of one random cell at each step; best of random cells (Li and Talwalkar 2019)",
        weight_gates=uniform,
        choose=best_of_uniform,
        short=replace(_RSPS, epochs=100, batch_size=32, learning_rate=0.1, num_samples=100),
        authors=_RSPS,
        needs_slots=False,
    )
)

_SETN = Settings(epochs=250, weight_decay=5e-4)
register_method(
    Method(
        "setn",
        "weights of one random cell at each step, logits of the mixture; best of the most probable cells (Dong and "
        "Yang 2019)",
        weight_gates=uniform,
        choose=top_probable,
        short=_short(_SETN, epochs=100),
        authors=_SETN,
        arch_gates=softmax,
        arch_step=first_order,
    )
)

_ENAS = Settings(
    epochs=150,
    learning_rate=0.05,
    final_learning_rate=5e-4,
    restart_epochs=10,
    arch_learning_rate=1e-3,
    arch_betas=(0.0, 0.999),
    arch_weight_decay=0.0,
    weight_decay=5e-4,
)
register_method(
    Method(
        "enas",
        "cells drawn by a policy that learns from their scores; best of its draws (Pham et al. 2018)",
        weight_gates=drawn_by_policy,
        choose=best_of_policy,
        short=replace(
            _ENAS, epochs=70, batch_size=32, learning_rate=0.1, policy_steps=10, arch_learning_rate=_FASTER * 1e-3
        ),
        authors=_ENAS,
        after_epoch=(train_policy,),
        needs_slots=False,
        has_policy=True,
    )
)

register_method(
    Method(
        "darts",
        "softmax mixture, logits at the present weights (Liu et al. 2019, first order)",
        weight_gates=softmax,
        choose=argmax_without_zero,
        short=_DARTS_SHORT,
        authors=_DARTS,
        arch_gates=softmax,
        arch_step=first_order,
    )
)
register_method(
    Method(
        "darts2",
        "softmax mixture, logits at the weights after their next step (Liu et al. 2019, second order)",
        weight_gates=softmax,
        choose=argmax_without_zero,
        short=_DARTS_SHORT,
        authors=_DARTS,
        arch_gates=softmax,
        arch_step=second_order,
    )
)

_GDAS = Settings(epochs=250, weight_decay=5e-4)
register_method(
    Method(
        "gdas",
        "one cell at a time, drawn by Gumbel softmax at a falling temperature (Dong and Yang 2019)",
        weight_gates=hard_gumbel,
        choose=argmax,
        short=_short(_GDAS, epochs=100),
        authors=_GDAS,
        arch_gates=hard_gumbel,
        arch_step=first_order,
    )
)

_PC_DARTS = Settings(
    batch_size=256,
    learning_rate=0.1,
    final_learning_rate=0.0,
    arch_learning_rate=6e-4,
    arch_from_epoch=15,
    partial=4,
)
register_method(
    Method(
        "pc-darts",
        "softmax mixture of a part of the channels, with weighted links (Xu et al. 2020)",
        weight_gates=weighted_links,
        choose=argmax_without_zero,
        short=_short(_PC_DARTS, arch_from_epoch=15),
        authors=_PC_DARTS,
        arch_gates=weighted_links,
        arch_step=first_order,
    )
)

_FAIR_DARTS = Settings(
    batch_size=128,
    learning_rate=0.005,
    final_learning_rate=0.0,
    arch_learning_rate=3e-3,
    arch_betas=(0.9, 0.999),
    start_scale=0.0,
)
register_method(
    Method(
        "fairdarts",
        "operations that do not compete, each weighted by its own sigmoid (Chu et al. 2020)",
        weight_gates=sigmoid,
        choose=threshold,
        short=_short(_FAIR_DARTS),
        authors=_FAIR_DARTS,
        arch_gates=sigmoid,
        arch_step=first_order,
        penalty=zero_one,
        with_zero=False,
    )
)

_DRNAS = Settings(epochs=100, arch_learning_rate=6e-4)
register_method(
    Method(
        "drnas",
        "mixtures drawn from a Dirichlet distribution that is learned (Chen et al. 2021)",
        weight_gates=dirichlet,
        choose=argmax,
        short=_short(_DRNAS),
        authors=_DRNAS,
        arch_gates=dirichlet,
        arch_step=first_order,
    )
)

_DARTS_PT = Settings(epochs=100)
_PERTURBED: dict[str, Any] = {
    "weight_gates": softmax,
    "choose": argmax_without_zero,
    "short": _short(_DARTS_PT),
    "authors": _DARTS_PT,
    "after_epoch": (project_next_slot,),
    "projects": True,
}
register_method(
    Method(
        "darts-pt",
        "DARTS, then of each slot the operation whose removal costs most (Wang et al. 2021)",
        arch_gates=softmax,
        arch_step=first_order,
        **_PERTURBED,
    )
)
register_method(
    Method(
        "darts-pt-fixed",
        "darts-pt with logits that stay as they were drawn (Wang et al. 2021, section 6)",
        **_PERTURBED,
    )
)

_ROBUST: dict[str, Any] = {
    "weight_gates": softmax,
    "choose": argmax_without_zero,
    "arch_gates": softmax,
    "arch_step": first_order,
    "stop": stop_on_curvature,
}
_ROBUST_DROP = Settings(drop_path=0.6)
register_method(
    Method(
        "darts-es",
        "DARTS that stops before the curvature grows (Zela et al. 2020)",
        short=_DARTS_SHORT,
        authors=_DARTS,
        **_ROBUST,
    )
)
for _factor in (3, 9, 27, 81):
    _stronger = replace(_DARTS, weight_decay=_factor * _DARTS.weight_decay)
    register_method(
        Method(
            "rdarts-l2" if _factor == 81 else f"rdarts-l2-{_factor}",
            f"DARTS with {_factor} times the weight decay, stopped by curvature (Zela et al. 2020)",
            short=_short(_stronger),
            authors=_stronger,
            **_ROBUST,
        )
    )
register_method(
    Method(
        "rdarts-dp",
        "DARTS with operations dropped at random, stopped by curvature (Zela et al. 2020)",
        short=_short(_ROBUST_DROP),
        authors=_ROBUST_DROP,
        **_ROBUST,
    )
)
