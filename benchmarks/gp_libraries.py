"""Compare our Gaussian processes with those of BoTorch: seconds, rankings, and what must be installed.

Both sides get the same normal scores and the same kernel: for ``gp`` a length scale for each choice (BoTorch's
`CategoricalKernel`), for ``gp-wl`` the weighted Weisfeiler-Lehman kernels (as a kernel of GPyTorch around our
matrices). BoTorch keeps its own priors and stopping rule; both sides fit by L-BFGS. mpnas-ray does not depend on
BoTorch; where it is missing, the script says so and writes nothing:

    pip install botorch && python benchmarks/gp_libraries.py --tables FOLDER
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t
from timing import RESULTS, facts, write_results

from mpnas_ray.catalogue import make_predictor
from mpnas_ray.predictors.gp.kernels import KERNELS
from mpnas_ray.spaces import Architectures
from mpnas_ray.stats import kendall
from mpnas_ray.tables import TableTask, load_tasks
from mpnas_ray.tables.normalization import normal_scores

SIZES = {"nasbench201/cifar10": (5, 20, 100, 500), "nasbench101/cifar10": (5, 20, 100)}
"""Numbers of measured architectures by task.

With 500 of NAS-Bench-101, whose cells have 26 choices, a fit by BoTorch takes more than a CPU minute: it is left out.
"""

FAMILIES = ("gp", "gp-wl")
PACKAGES = (
    "botorch",
    "gpytorch",
    "linear_operator",
    "pyre_extensions",
    "multipledispatch",
    "ninja",
    "typing_inspect",
    "mypy_extensions",
)
"""Packages that BoTorch needs and that mpnas-ray does not install."""

NUM_CANDIDATES = 10_000
"""Number of architectures whose posterior mean and standard deviation are predicted."""

BLOCK = 250
"""Number of architectures that BoTorch predicts at once.

It computes their joint covariance. Of 100, 250, 500, 2,000 and 10,000 this was the fastest for most sizes and kernels;
all 10,000 at once take 15 CPU seconds.
"""

Floats = NDArray[np.float64]


def ours(family: str, support: Architectures, scores: Floats, asked: Architectures) -> tuple[float, float, Floats]:
    """Fit and predict with ours; return the CPU seconds of both and the posterior mean."""
    predictor: Any = make_predictor(family)
    start = time.process_time()
    predictor.fit(support, scores)
    fitted = time.process_time()
    mean, _ = predictor.predict_with_std(asked)
    return fitted - start, time.process_time() - fitted, mean


def botorchs(family: str, support: Architectures, scores: Floats, asked: Architectures) -> tuple[float, float, Floats]:
    """Fit and predict with BoTorch; return the same three values as `ours`."""
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    start = time.process_time()
    targets = torch.from_numpy(normal_scores(scores))[:, None]
    rows: Any = Choices(support) if family == "gp" else Labels(support)
    model = SingleTaskGP(rows.support, targets, covar_module=rows.kernel, outcome_transform=None)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    fitted = time.process_time()
    means = []
    with torch.no_grad():
        for block in range(0, len(asked), BLOCK):
            posterior = model.posterior(rows.ask(asked[block : block + BLOCK]))
            means.append(posterior.mean.flatten())
            posterior.variance.sqrt()
    return fitted - start, time.process_time() - fitted, torch.cat(means).numpy()


class Choices:
    """Architectures as rows of choices, under BoTorch's kernel with a length scale for each choice."""

    def __init__(self, support: Architectures) -> None:
        from botorch.models.kernels import CategoricalKernel
        from gpytorch.kernels import ScaleKernel

        self.support = self.ask(support)
        self.kernel = ScaleKernel(CategoricalKernel(ard_num_dims=self.support.shape[1]))

    def ask(self, archs: Architectures) -> torch.Tensor:
        return torch.from_numpy(archs.codes.astype(np.float64))


class Labels:
    """Architectures as indices into the matrices of our Weisfeiler-Lehman kernels, under a weighted sum of them.

    Of the covariances between candidates it holds only the diagonal, since only variances are asked for.
    """

    def __init__(self, support: Architectures) -> None:
        import gpytorch

        self._described = KERNELS["weisfeiler-lehman"].describe(support)
        self._base = KERNELS["weisfeiler-lehman"].base
        self.matrices = torch.from_numpy(self._base(self._described, self._described))  # [B, n, n]
        self.support = torch.arange(len(support), dtype=torch.float64)[:, None]
        outer = self

        class Weighted(gpytorch.kernels.Kernel):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                initial = torch.zeros(len(outer.matrices), dtype=torch.float64)
                self.register_parameter("raw_weights", torch.nn.Parameter(initial))
                self.register_constraint("raw_weights", gpytorch.constraints.Positive())

            def forward(self, x1: torch.Tensor, x2: torch.Tensor, diag: bool = False, **_: Any) -> torch.Tensor:
                weights = self.raw_weights_constraint.transform(self.raw_weights)
                rows, columns = x1[..., 0].long(), x2[..., 0].long()
                if diag:
                    return torch.tensordot(weights, outer.matrices[:, rows, columns], 1)
                return torch.tensordot(weights, outer.matrices[:, rows][:, :, columns], 1)

        self.kernel = Weighted()

    def ask(self, archs: Architectures) -> torch.Tensor:
        num, asked = len(self.support), len(archs)
        across = torch.from_numpy(self._base(self._described, KERNELS["weisfeiler-lehman"].describe(archs)))
        whole = torch.zeros(len(across), num + asked, num + asked, dtype=torch.float64)
        whole[:, :num, :num] = self.matrices[:, :num, :num]
        whole[:, :num, num:] = across
        whole[:, num:, :num] = across.transpose(1, 2)
        whole[:, range(num, num + asked), range(num, num + asked)] = 1.0
        self.matrices = whole
        return torch.arange(num, num + asked, dtype=torch.float64)[:, None]


def compared(task: TableTask, family: str, points: int, seeds: int) -> dict[str, Any]:
    """Compare both on the same draws of one support size."""
    fits, predictions, taus, agreements = [], [], [], []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(task))
        support, asked = order[:points], order[points : points + NUM_CANDIDATES]
        results = [
            fit(family, task.archs[support], task.scores[support], task.archs[asked]) for fit in (ours, botorchs)
        ]
        fits.append([result[0] for result in results])
        predictions.append([result[1] for result in results])
        taus.append([kendall(result[2], task.scores[asked]) for result in results])
        agreements.append(kendall(results[0][2], results[1][2]))
    return {
        "task": task.name,
        "family": family,
        "points": points,
        "fit_cpu_seconds": np.median(fits, axis=0).tolist(),
        "predict_cpu_seconds": np.median(predictions, axis=0).tolist(),
        "times_as_long": statistics.median(
            (f[1] + p[1]) / (f[0] + p[0]) for f, p in zip(fits, predictions, strict=True)
        ),
        "kendall": np.mean(taus, axis=0).tolist(),
        "kendall_higher_by": interval_of([theirs - own for own, theirs in taus]),
        "agreement": statistics.mean(agreements),
    }


def interval_of(differences: list[float]) -> list[float]:
    """Return the mean of differences and the half-width of its 95 % interval (Student's t)."""
    mean, half = statistics.mean(differences), 0.0
    if len(differences) > 1:
        half = float(t.ppf(0.975, len(differences) - 1)) * statistics.stdev(differences) / len(differences) ** 0.5
    return [mean, half]


def installed() -> dict[str, float]:
    """Measure the megabytes of each package that BoTorch adds; 0 where it is missing."""
    sizes = {}
    for name in PACKAGES:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            files = []
        sizes[name] = sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).exists()) / 1e6
    return sizes


def import_seconds(module: str) -> float:
    """Measure the CPU seconds of importing a module in a fresh process, after everything that we import anyway."""
    code = "import time, torch, scipy.optimize, mpnas_ray.predictors; start = time.process_time(); "
    code += f"import {module}; print(time.process_time() - start)"
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="folder of NAS tables")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if find_spec("botorch") is None:
        print("BoTorch is not installed, so there is nothing to compare with. Install it: pip install botorch")
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    content: dict[str, Any] = {
        **facts("numpy", "scipy", "torch", "botorch", "gpytorch"),
        "seeds": given.seeds,
        "candidates": NUM_CANDIDATES,
        "installed_mb": installed(),
        "import_cpu_seconds": import_seconds("botorch.models, botorch.fit"),
        "rows": [],
    }
    tasks = load_tasks(given.tables, list(SIZES))
    for family in FAMILIES:
        for name, sizes in SIZES.items():
            for points in sizes:
                row = compared(tasks[name], family, points, given.seeds)
                content["rows"].append(row)
                print(name, family, points, f"{row['times_as_long']:.1f} times as long", row["kendall"], flush=True)
    write_results(given.out, "gp_libraries", content, page(content))


def verdict(content: dict[str, Any]) -> list[str]:
    """Say in one paragraph what the rows and the packages add up to."""
    ratios = [row["times_as_long"] for row in content["rows"]]
    differences = [row["kendall_higher_by"] for row in content["rows"]]
    better, worse = (sum(sign * mean > half for mean, half in differences) for sign in (1, -1))
    return [
        f"BoTorch takes {min(ratios):.0f} to {max(ratios):.0f} times as long as ours, median "
        f"{statistics.median(ratios):.0f}. Its rank correlation is",
        f"higher than ours in {better} of {len(ratios)} rows, lower in {worse}, and the same within the interval in "
        f"{len(ratios) - better - worse}.",
    ]


def page(content: dict[str, Any]) -> list[str]:
    lines = [
        "# Gaussian processes: ours and BoTorch's",
        "",
        f"`{content['command']}`, {content['machine']}, {content['versions']}.",
        "",
        "Both get the same normal scores and the same kernel. Times are CPU seconds on one core to fit, and to predict",
        f"mean and standard deviation of {content['candidates']:,} other architectures: medians over "
        f"{content['seeds']} seeds.",
        "Tau is Kendall's rank correlation between predicted means and the table, a mean over the seeds. The",
        "difference is BoTorch's minus ours, with a 95 % interval. Agreement is the tau between both predictions.",
        "",
        *verdict(content),
    ]
    for family, called in (("gp", "A length scale for each choice (`gp`)"), ("gp-wl", "Weisfeiler-Lehman (`gp-wl`)")):
        lines += [
            "",
            f"## {called}",
            "",
            "| task | points | fit, ours | fit, BoTorch | predict, ours | predict, BoTorch | BoTorch takes | tau, ours "
            "| tau, BoTorch | difference | agreement |",
            "| --- |" + " ---: |" * 10,
        ]
        for row in (row for row in content["rows"] if row["family"] == family):
            (fit, their_fit), (predict, their_predict) = row["fit_cpu_seconds"], row["predict_cpu_seconds"]
            (tau, their_tau), (mean, half) = row["kendall"], row["kendall_higher_by"]
            lines.append(
                f"| {row['task']} | {row['points']} | {fit:.3f} | {their_fit:.3f} | {predict:.3f} "
                f"| {their_predict:.3f} | {row['times_as_long']:.1f} times | {tau:.3f} | {their_tau:.3f} "
                f"| {mean:+.3f} ± {half:.3f} | {row['agreement']:.2f} |"
            )
    sizes = content["installed_mb"]
    return [
        *lines,
        "",
        "## What must be installed",
        "",
        f"BoTorch needs {len(sizes)} more packages, {sum(sizes.values()):.0f} MB: "
        + ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
        + f". Importing it takes {content['import_cpu_seconds']:.2f} CPU seconds more in every process that ranks.",
        "",
        "Own code would remain: the kernels of cells, functions drawn from a posterior over choices or labels",
        "(for Thompson sampling), and the sparse process over labels.",
    ]


if __name__ == "__main__":
    main()
