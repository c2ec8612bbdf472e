"""Rules that choose one architecture: by logits, or among drawn ones by their scores with shared weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mpnas_ray.spaces import Architecture, Architectures
from mpnas_ray.spaces.operation_graph import ABSENT
from mpnas_ray.spaces.operations import ZERO
from trainables.oneshot.gates import mixture
from trainables.oneshot.relaxations import softmax_weights
from trainables.oneshot.scoring import one_shot_metric, one_shot_scores
from trainables.oneshot.search import Search

__all__ = [
    "NUM_EACH_EPOCH",
    "argmax",
    "argmax_without_zero",
    "best_of_policy",
    "best_of_uniform",
    "most_probable",
    "project_next_slot",
    "threshold",
    "top_probable",
]

_NUM_FINALISTS = 10
_SCREENING_BATCHES = 10
"""RSPS's: candidates are compared on ten batches, the ten best of them on all of validation."""

NUM_EACH_EPOCH = 10
"""Candidates that are compared after an epoch that is not the last, to report how the search is going."""

_FAIR_THRESHOLD = 0.85


def argmax(search: Search, last: bool) -> Architecture:
    """Choose the operation with the largest logit in each slot, ``zero`` like the others."""
    return search.skeleton.arch(search.logits.masked().detach().argmax(dim=1).tolist())


def argmax_without_zero(search: Search, last: bool) -> Architecture:
    """Choose the operation with the largest logit in each slot, but not ``zero`` (DARTS).

    A slot in which nothing else is open keeps it.
    """
    logits = search.logits.masked().detach().cpu().numpy().copy()
    for row, slot in zip(logits, search.skeleton.slots, strict=True):
        for choice, kind in enumerate(slot.kinds):
            if kind == ZERO and np.isfinite(np.delete(row, choice)).any():
                row[choice] = -np.inf
    return search.skeleton.arch(logits.argmax(axis=1).tolist())


def threshold(search: Search, last: bool) -> Architecture:
    """Choose the operation with the largest sigmoid in each slot, or none if that is below 0.85 (FairDARTS)."""
    weights = torch.sigmoid(search.logits.masked()).detach().cpu().numpy()
    choices = weights.argmax(axis=1).tolist()
    for number, slot in enumerate(search.skeleton.slots):
        nothing = [choice for choice, kind in enumerate(slot.kinds) if kind in (ZERO, ABSENT)]
        if nothing and weights[number].max() < _FAIR_THRESHOLD:
            choices[number] = nothing[0]
    return search.skeleton.arch(choices)


def top_probable(search: Search, last: bool) -> Architecture:
    """Choose the best of the architectures most probable under the logits, by scores with shared weights (SETN)."""
    log_p = torch.log_softmax(search.logits.masked().detach().double(), dim=1).cpu().numpy()
    choices = most_probable(log_p, _num(search, last))
    archs = Architectures.of([search.skeleton.arch(row) for row in choices.tolist()])
    return _best(search, archs)


def most_probable(log_p: NDArray[np.float64], num: int) -> NDArray[np.int64]:
    """List the ``num`` most probable combinations of independent choices, the most probable first.

    Going from slot to slot, it keeps the best beginnings: no combination of the best begins with another one.

    Args:
        log_p: Log probabilities ``[slots, choices]``, minus infinity for choices that there are not.
        num: Number of combinations to list, if there are so many.

    Returns:
        Choices ``[num, slots]``.
    """
    choices, sums = np.zeros((1, 0), dtype=np.int64), np.zeros(1)
    for row in log_p:
        there = np.flatnonzero(np.isfinite(row))
        longer = (sums[:, None] + row[there]).ravel()
        best = np.argsort(-longer, kind="stable")[:num]
        choices = np.concatenate([choices[best // len(there)], there[best % len(there), None]], axis=1)
        sums = longer[best]
    return choices


def best_of_uniform(search: Search, last: bool) -> Architecture:
    """Choose the best of random architectures, by scores with shared weights (Bender; RSPS, Li and Talwalkar 2019)."""
    return _best(search, search.skeleton.sample(_num(search, last), search.rng))


def best_of_policy(search: Search, last: bool) -> Architecture:
    """Choose the best of architectures that the policy draws, by scores with shared weights (ENAS)."""
    assert search.policy is not None, f"{search.method.name} has no policy"
    return _best(search, search.policy.draw(_num(search, last), search.generator))


def _num(search: Search, last: bool) -> int:
    return search.settings.num_samples if last else min(NUM_EACH_EPOCH, search.settings.num_samples)


def _best(search: Search, archs: Architectures) -> Architecture:
    """Return the best by score; of many, the best on some batches are compared on all of validation."""
    screening = _SCREENING_BATCHES * search.settings.batch_size
    if len(archs) > _NUM_FINALISTS and len(search.data.validation) > screening:
        scores = np.nan_to_num(one_shot_scores(search, archs, screening), nan=-np.inf)
        archs = archs[np.argsort(-scores, kind="stable")[:_NUM_FINALISTS]]
    scores = np.nan_to_num(one_shot_scores(search, archs), nan=-np.inf)
    return archs[int(np.argmax(scores))]


def project_next_slot(search: Search) -> None:
    """Leave in one more slot only the operation whose removal costs most (DARTS-PT, Wang et al., ICLR 2021).

    It does so after the last epoch of the training, and then after every few epochs of tuning. Slots come in random
    order. The weight of an operation that is removed is not shared out among the others. Of operations whose removal
    costs the same, the first stays.
    """
    since = search.epoch + 1 - search.settings.epochs
    if since < 0 or since % search.settings.tune_epochs:
        return
    order = np.random.default_rng(search.seed).permutation(len(search.skeleton.slots))
    slot = int(order[since // search.settings.tune_epochs])
    weights = softmax_weights(search).detach()
    is_open = search.logits.open_choices()
    scores = {}
    for choice in np.flatnonzero(is_open[slot]).tolist():
        without = is_open.copy()
        without[slot, choice] = False
        scores[choice] = search.data.better(one_shot_metric(search, mixture(search.skeleton, weights, without)))
    kept = min(scores, key=lambda choice: scores[choice])
    search.logits.is_open[slot] = torch.arange(is_open.shape[1], device=weights.device) == kept
