"""The training of a supernet: one loop for all methods, an epoch at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from mpnas_ray.checks import require_seed
from mpnas_ray.errors import TaskError
from mpnas_ray.optimizers import SGD, Adam
from mpnas_ray.spaces import Architecture, get_space, parse_architecture
from mpnas_ray.spaces.operations import SKIP
from trainables.networks.network import get_macro
from trainables.oneshot.gates import gates_of
from trainables.oneshot.methods import check_fits, get_method, settings_of
from trainables.oneshot.policy import Policy
from trainables.oneshot.relaxations import drawn, shown_weights
from trainables.oneshot.scoring import one_shot_metric
from trainables.oneshot.search import Alphas, Batch, Search, SearchData, Settings
from trainables.oneshot.skeleton import skeleton_of
from trainables.oneshot.supernet import Supernet
from trainables.tasks.core.task import Split, Task
from trainables.training.data import PreparedData
from trainables.training.parts import Part

__all__ = ["SupernetTraining", "build_supernet", "num_skips"]


class SupernetTraining:
    """A supernet, its logits or policy and their optimisers, at some epoch.

    The state that `state_dict` gives is complete: a training restored from it continues, on the CPU bit for bit, as if
    it had never stopped. Arithmetic is float32 on every device.

    Attributes:
        epoch: Number of epochs done.
        num_epochs: Number of all epochs.
        data_in: Place from which the data came; the supernet holds all of them on its device.
        stopped: Reason why the search ended before the last epoch; empty if it did not.
        arch: Architecture chosen after the last epoch; None before the first.
        search: Parts of the search that methods work on.
    """

    def __init__(
        self,
        task: Task,
        data: PreparedData,
        *,
        space: str,
        method: str,
        family: str | None = None,
        preset: str = "paper",
        settings: Settings | None = None,
        seed: int = 0,
    ) -> None:
        """Build the supernet, before its first epoch.

        Args:
            task: The task.
            data: Data of the task, on the device to train on.
            space: Name of the search space.
            method: Name of a one-shot method.
            family: Family of the mixed space to which to limit the search.
            preset: Sizes of the network; see `trainables.build_network`.
            settings: Settings of the search; the method's short ones if None.
            seed: Seed of weights, of logits and of everything that is drawn.

        Raises:
            TaskError: If there is no such method, if it does not fit the space, or the data are too few for it.
            SearchSpaceError: If there is no such space or family.
        """
        require_seed("seed", seed, error=TaskError)
        chosen = get_method(method)
        settings = settings or settings_of(chosen)
        skeleton = skeleton_of(get_space(space), family)
        check_fits(chosen, skeleton)
        macro = get_macro(preset)
        generator = torch.Generator().manual_seed(seed)
        parts = _parts(task, data, settings, generator if chosen.halves else None)
        device = parts.weights.inputs.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = Supernet(
                skeleton, data.encoded_shape, task.num_outputs, task.dense, macro, num_parts=settings.partial
            ).to(device)
            policy = Policy(skeleton).to(device) if chosen.has_policy else None
        if parts.weights.inputs.ndim == 4:
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        alphas = None
        if chosen.needs_slots:
            alphas = Alphas(skeleton, settings.start_scale, generator, with_zero=chosen.with_zero).to(device)
        self.data_in = data.data_in
        self.epoch = 0
        self.num_epochs = chosen.num_epochs(settings, skeleton)
        self.stopped = ""
        self.arch: Architecture | None = None
        self.search = Search(
            chosen, settings, skeleton, net, parts, alphas, policy, _sgd(net, settings), None, seed=seed
        )
        self.search.arch_optimizer = self._arch_optimizer()
        self._identity = {
            "method": method,
            "space": skeleton.name,
            "task": task.name,
            "preset": preset,
            "seed": seed,
            "num_parts": settings.partial,
            "encoded_shape": list(data.encoded_shape),
        }

    @property
    def finished(self) -> bool:
        """True once all epochs are done, or the search has stopped."""
        return self.epoch >= self.num_epochs or bool(self.stopped)

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the supernet."""
        return sum(parameter.numel() for parameter in self.search.net.parameters())

    def run_epoch(self) -> dict[str, Any]:
        """Train for one epoch, choose an architecture and score it with the shared weights.

        Returns:
            The task's validation metric of the architecture, by shared weights; ``arch``, ``num_skips`` on its way from
            input to output, ``train_loss``, ``epoch``, ``num_epochs``, ``seconds``; ``entropy`` of the logits in nats a
            slot, ``weights`` of the choices of each slot and ``curvature``, for methods that have them; ``stopped``, a
            reason or an empty text. Where loss or logits are not finite, the architecture is that of the epoch before,
            and the metric NaN.

        Raises:
            TaskError: If this happens in the first epoch, so that no architecture was chosen before.
        """
        start = time.perf_counter()
        search, device = self.search, self.search.data.weights.inputs.device
        search.begin(self.epoch)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed((search.seed * 1_000_003 + self.epoch) % 2**63)
            self._begin_tuning()
            train_loss = self._fit()
            healthy = math.isfinite(train_loss) and (search.alphas is None or search.alphas.are_finite())
            record: dict[str, Any] = {"epoch": self.epoch}
            if healthy:
                self._conclude(record)
            elif self.arch is None:
                raise TaskError(
                    f"Loss or logits of {search.method.name} on {search.data.task.name} are not finite in the first "
                    f"epoch: take a smaller learning rate."
                )
            else:
                self.stopped = "loss or logits are not finite"
        self.epoch += 1
        assert self.arch is not None, "an epoch chooses an architecture"
        metric = one_shot_metric(search, gates_of(self.arch)) if healthy else math.nan
        noted: dict[str, Any] = {name: record[name] for name in ("entropy", "weights", "curvature") if name in record}
        return {
            search.data.task.metric_key: metric,
            "arch": str(self.arch),
            "num_skips": num_skips(self.arch),
            "train_loss": train_loss,
            **noted,
            "epoch": self.epoch,
            "num_epochs": self.num_epochs,
            "seconds": time.perf_counter() - start,
            "stopped": self.stopped,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on: tensors and plain values."""
        search = self.search
        return {
            "identity": self._identity,
            "epoch": self.epoch,
            "arch": None if self.arch is None else str(self.arch),
            "stopped": self.stopped,
            "history": search.history,
            "net": search.net.state_dict(),
            "alphas": None if search.alphas is None else search.alphas.state_dict(),
            "policy": None if search.policy is None else search.policy.state_dict(),
            "weight_optimizer": search.weight_optimizer.state_dict(),
            "arch_optimizer": None if search.arch_optimizer is None else search.arch_optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict` of a training built in the same way.

        Raises:
            TaskError: If the state is of another method, space, task, preset or seed; the message names which.
        """
        saved = state["identity"]
        for name, own in self._identity.items():
            if saved.get(name) != own:
                raise TaskError(
                    f"This checkpoint is of a supernet with {name} {saved.get(name)!r}, not {own!r}: continue it with "
                    f"the settings that it was made with."
                )
        search = self.search
        self.epoch, self.stopped = state["epoch"], state["stopped"]
        self.arch = None if state["arch"] is None else parse_architecture(state["arch"])
        search.history = [dict(record) for record in state["history"]]
        search.net.load_state_dict(state["net"])
        search.weight_optimizer.load_state_dict(state["weight_optimizer"])
        for part, name in (
            (search.alphas, "alphas"),
            (search.policy, "policy"),
            (search.arch_optimizer, "arch_optimizer"),
        ):
            if part is not None:
                part.load_state_dict(state[name])

    def _fit(self) -> float:
        """Pass once over the samples of the weights; return the mean loss."""
        search, settings = self.search, self.search.settings
        part, step = search.data.weights, search.method.arch_step
        rate = _learning_rate(settings, self.epoch, self.num_epochs)
        for group in search.weight_optimizer.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=part.inputs.device)
        order = torch.randperm(len(part), generator=search.generator).to(part.inputs.device)
        for rows in order.tensor_split(max(1, round(len(part) / settings.batch_size))):
            batch = search.augmented(Batch(part.inputs[rows], part.targets[rows]))
            if step is not None and self.epoch >= settings.arch_from_epoch:
                step(search, search.random_batch(search.data.alphas), batch)
                if not search.logits.are_finite():
                    return math.nan
            total += self._step_weights(batch) * len(rows)
        return total.item() / len(part)

    def _step_weights(self, batch: Batch) -> Tensor:
        """Step the weights that the drawn gates use, and no others: those have no gradient, not one of 0."""
        search, settings = self.search, self.search.settings
        inputs, targets = batch.inputs, batch.targets
        if search.data.task.mix is not None:
            inputs, targets = search.data.task.mix(inputs, targets, search.generator)
        search.net.train()
        search.weight_optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=inputs.device)
        ghosts = max(1, min(settings.ghosts, len(inputs) // 2))
        for ghost, wanted in zip(inputs.tensor_split(ghosts), targets.tensor_split(ghosts), strict=True):
            with torch.no_grad():
                gates = drawn(search, search.method.weight_gates)
            loss = search.data.loss(search.net(ghost, gates), wanted) * (len(ghost) / len(inputs))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(search.net.parameters(), settings.clip_norm)
        search.weight_optimizer.step()
        return total

    def _conclude(self, record: dict[str, Any]) -> None:
        """Do what the method does after an epoch, and choose an architecture."""
        search, method = self.search, self.search.method
        for function in method.after_epoch:
            function(search)
        self.arch = method.choose(search, self.epoch + 1 == self.num_epochs)
        record["arch"] = str(self.arch)
        if search.alphas is not None:
            record["entropy"] = search.alphas.entropy()
            record["weights"] = shown_weights(search).detach().tolist()
        search.history.append(record)
        found = None if method.stop is None else method.stop(search)
        if found is not None:
            self.stopped, self.arch = found

    def _begin_tuning(self) -> None:
        """Begin the tuning between projections with fresh optimisers."""
        if self.search.method.projects and self.epoch == self.search.settings.epochs:
            self.search.weight_optimizer = _sgd(self.search.net, self.search.settings)
            self.search.arch_optimizer = self._arch_optimizer()

    def _arch_optimizer(self) -> Adam | None:
        settings, trained = self.search.settings, self.search.policy or self.search.alphas
        if trained is None:
            return None
        rate, betas, decay = settings.arch_learning_rate, settings.arch_betas, settings.arch_weight_decay
        return Adam(trained.parameters(), lr=rate, betas=betas, weight_decay=decay)


def build_supernet(config: Mapping[str, Any], task: Task, data: PreparedData) -> SupernetTraining:
    """Build the training that the config of a trial describes (`SupernetTrainable`), before its first epoch.

    Raises:
        TaskError: If an entry is missing or wrong.
    """
    for name in ("method", "space"):
        if name not in config:
            raise TaskError(f'config["{name}"] is missing: a supernet has a method and a space.')
    changed = {field.name: config[field.name] for field in fields(Settings) if field.name in config}
    return SupernetTraining(
        task,
        data,
        space=config["space"],
        method=config["method"],
        family=config.get("family"),
        preset=config.get("preset", "paper"),
        settings=settings_of(get_method(config["method"]), config.get("protocol", "short"), **changed),
        seed=int(config.get("seed", 0)),
    )


def num_skips(arch: Architecture) -> int:
    """Count the skips of a cell that are on a path from input to output."""
    graph = arch.graph
    return int(((graph.kinds == SKIP) & graph.live()).sum())


def _sgd(net: nn.Module, settings: Settings) -> SGD:
    return SGD(
        net.parameters(), lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
    )


def _learning_rate(settings: Settings, epoch: int, num_epochs: int) -> float:
    """Compute the rate of an epoch: a cosine from the first to the last one, with restarts if asked for.

    Epochs after the training, those of tuning, have a cosine of their own from a tenth of the first rate.
    """
    start, end, length = settings.learning_rate, settings.final_learning_rate, settings.epochs
    if epoch >= length:
        start, epoch, length = start / 10, epoch - length, num_epochs - length
        end = min(start, end)
    elif settings.restart_epochs:
        length = settings.restart_epochs
        while epoch >= length:
            epoch, length = epoch - length, 2 * length
    return end + (start - end) * (1 + math.cos(math.pi * epoch / length)) / 2


def _parts(task: Task, data: PreparedData, settings: Settings, generator: torch.Generator | None) -> SearchData:
    """Halve the training part, if there is a generator: one half fits weights, the other logits or a policy.

    Raises:
        TaskError: If there are too few samples.
    """
    train, validation = (_whole(data.parts[name]) for name in ("train", "validation"))
    size = len(train) if generator is None else len(train) // 2
    if size < settings.batch_size:
        halved = "" if generator is None else ", half of which fits the weights and half the architecture"
        raise TaskError(
            f"The training part of {task.name} has {len(train)} samples{halved}: too few for batches of "
            f"{settings.batch_size}. Take a smaller batch_size."
        )
    fitting = held = train
    if generator is not None:
        order = torch.randperm(len(train), generator=generator).to(train.inputs.device)
        fitting, held = (_rows(train, rows) for rows in (order[: len(train) - size], order[len(train) - size :]))
    return SearchData(task, fitting, held, validation, data.decoder)


def _whole(part: Part) -> Split:
    """Return a part with all its encoded inputs in memory."""
    ((inputs, targets),) = part.batches([slice(len(part))])
    return Split(inputs, targets, part.groups)


def _rows(split: Split, rows: Tensor) -> Split:
    return Split(split.inputs[rows], split.targets[rows], None if split.groups is None else split.groups[rows])
