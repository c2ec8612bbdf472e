"""The page of the study of 64 cells, from the content of its JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cluster.experiments.studies.estimates import Estimate
from cluster.experiments.studies.oneshot.published import NASBENCH201_SEARCHED, PERTURBATION_ERRORS
from cluster.pages.markdown import markdown_table

__all__ = ["body_of", "too_few"]

_WANTED_SEEDS = 5

_LOOKS = {"first": 0.0, "a quarter": 0.25, "half": 0.5, "last": 1.0}
"""Share of the epochs after which skips are counted."""


def body_of(content: Mapping[str, Any]) -> str:
    """Write the page below its head."""
    seeds, cells = content["seeds"], content["cells"]
    settings, seconds = content["settings"], content["training_cpu_seconds"]
    sign = 1.0 if content["mode"] == "max" else -1.0
    test = np.array([cell["test"] for cell in cells])
    truth = test.mean(axis=1)
    best, skips = int(truth.argmax()), int(np.argmax([cell["arch"].count("skip_connect") for cell in cells]))
    noise = float(np.sqrt(test.var(axis=1, ddof=1).mean())) if test.shape[1] > 1 else 0.0
    return f"""\
Each link of the NAS-Bench-201 cell is a skip or a 3x3 convolution. All {len(cells)} cells were trained on
{content["task"]} with {seeds["trainings"]} seeds each, for {settings["epochs"]} epochs on {settings["num_train"]}
samples with networks of preset {settings["preset"]}; one training takes {seconds:.1f} seconds of the processor. The
truth of a cell is its mean test {content["metric"]}, and the regret of a choice is by how much its truth is worse than
that of the best cell. Supernets are trained on the same samples by the short protocol of each method, with
{seeds["supernets"]} seeds{too_few(seeds["supernets"])}; numbers are means ± standard errors over these. All seconds
are those of the processor.

- The best cell is `{cells[best]["arch"]}` with {sign * truth[best]:.4f}.
- The cell of skips alone has {sign * truth[skips]:.4f}, a regret of {truth.max() - truth[skips]:.4f}; it is number
{int((truth > truth[skips]).sum()) + 1} of {len(cells)}.
- A random cell has a regret of {float((truth.max() - truth).mean()):.4f} on average.
- The standard deviation between cells is {truth.std():.4f}, that between trainings of one cell {noise:.4f}. Kendall's
tau between two trainings is {Estimate.of(content["ceiling"]).shown(2) if content["ceiling"] else "not measured"}, that
between the number of parameters and the truth {content["size"]:.2f}.

## Choices

`skips` are those among the six links of the chosen cell. `as trainings` is the time of a supernet in trainings of a
cell; the last column is the regret of MP-NAS after as many trainings (`mpnas` of the next section), at most
{_num_samples(content)}.

{_choices(content)}

{_read(content)}

The regret at the end of each seed: {_each_seed(content)}.

## Skips over the epochs

Mean number of skips in the cell that would have been chosen. `rsps` and `oneshot` choose once, in the end.

{_skips(content)}

{_stops(content)}

## Searches that train cells

Each search starts from a random cell and sees the validation {content["metric"]} of one training of a cell; the regret
is that of the best cell by what it saw. The test score of this training is one of those that make the truth, so a
search has a small advantage over supernets. `mpnas` uses the bundled predictor `mpnas-3`. It has learned from
NAS-Bench-201 on Darcy flow, among others, but from no table of ours. `scratch` has learned nothing at all. `mpnas,
supernet as prior` also takes the scores of the supernets of `rsps`, whose training costs extra.

{_searches(content)}

## Published

{NASBENCH201_SEARCHED}

{PERTURBATION_ERRORS}

None of these numbers is comparable with ours: there are five operations in place of two, 32 x 32 images, and networks
of 15 cells.
"""


def too_few(seeds: int) -> str:
    """Say that there are fewer seeds than the studies want; an empty text if there are enough."""
    return f" (not {_WANTED_SEEDS}, for want of time)" if seeds < _WANTED_SEEDS else ""


def _read(content: Mapping[str, Any]) -> str:
    """Say which methods chose better than chance, and than a search that trains as many cells."""
    truth = np.array([cell["test"] for cell in content["cells"]]).mean(axis=1)
    chance = float((truth.max() - truth).mean())
    better, worth = [], []
    for method, supernets in _by_method(content).items():
        regret = float(np.mean([one["regret"] for one in supernets]))
        better += [f"`{method}`"] if regret < chance else []
        worth += [f"`{method}`"] if regret < float(np.mean(_searched(content, supernets))) else []
    return (
        f"On average, better than a random cell: {', '.join(better) or 'none'}. Better than MP-NAS after as many "
        f"trainings: {', '.join(worth) or 'none'}."
    )


def _searched(content: Mapping[str, Any], supernets: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the regrets of the searches of MP-NAS after as many trainings as the supernets take the time of."""
    number = round(float(np.mean([one["cpu_seconds"] for one in supernets])) / content["training_cpu_seconds"])
    number = min(max(1, number), _num_samples(content))
    return [run[number - 1] for run in content["searches"]["mpnas"]]


def _by_method(content: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in content["supernets"]:
        found.setdefault(one["method"], []).append(one)
    return found


def _num_samples(content: Mapping[str, Any]) -> int:
    return min(len(run) for run in content["searches"]["mpnas"])


def _choices(content: Mapping[str, Any]) -> str:
    lines, seconds = [], content["training_cpu_seconds"]
    for method, supernets in _by_method(content).items():
        taken = float(np.mean([one["cpu_seconds"] for one in supernets]))
        trainings = taken / seconds
        lines.append(
            [
                method,
                Estimate.of([one["regret"] for one in supernets]).shown(4),
                f"{np.median([one['rank'] for one in supernets]):.0f}",
                ", ".join(str(one["arch"].count("skip_connect")) for one in supernets),
                f"{taken:.1f}",
                f"{trainings:.0f}",
                Estimate.of(_searched(content, supernets)).shown(4),
            ]
        )
    lines.sort(key=lambda line: line[1])
    header = ["method", "regret", "median rank", "skips chosen", "seconds", "as trainings", "MP-NAS, as many"]
    return markdown_table(header, lines)


def _each_seed(content: Mapping[str, Any]) -> str:
    lists = {
        method: ", ".join(f"{one['regret']:.4f}" for one in supernets)
        for method, supernets in _by_method(content).items()
    }
    return "; ".join(f"{method} {regrets}" for method, regrets in lists.items())


def _skips(content: Mapping[str, Any]) -> str:
    lines = []
    for method, supernets in _by_method(content).items():
        if not all(one["skips"] for one in supernets):
            continue  # it samples cells
        epochs = [one["epochs"] for one in supernets]
        cells = []
        for share in _LOOKS.values():
            found = [one["skips"][round(share * (len(one["skips"]) - 1))] for one in supernets]
            cells.append(f"{np.mean(found):.1f}")
        lines.append([method, f"{min(epochs)}-{max(epochs)}" if min(epochs) < max(epochs) else str(epochs[0]), *cells])
    return markdown_table(["method", "epochs", *_LOOKS], lines)


def _stops(content: Mapping[str, Any]) -> str:
    stopped = [
        f"{one['method']} of seed {one['seed']} ({one['stopped']})" for one in content["supernets"] if one["stopped"]
    ]
    return f"Stopped before their last epoch: {', '.join(stopped)}." if stopped else "No supernet was stopped early."


def _searches(content: Mapping[str, Any]) -> str:
    looks: Sequence[int] = [looked for looked in (1, 2, 4, 8, 16, 32, 64) if looked <= _num_samples(content)]
    lines = [
        [search, *(Estimate.of([run[looked - 1] for run in runs]).shown(4) for looked in looks)]
        for search, runs in content["searches"].items()
    ]
    return markdown_table(["search", *(f"after {looked}" for looked in looks)], lines)
