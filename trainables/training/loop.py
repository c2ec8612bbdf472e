"""The training of one network on one task: plain PyTorch, no Tune in it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mpnas_ray.checks import require_bool, require_one_of, require_seed
from mpnas_ray.errors import TaskError, UserCodeError
from trainables.networks.named import build_named
from trainables.recipe_options import RECIPE_OPTIONS
from trainables.tasks.core.task import Recipe, Task
from trainables.training.averaging import averaged
from trainables.training.data import PreparedData
from trainables.training.decoding import Decoded
from trainables.training.optimisation import make_optimizer, make_schedule
from trainables.training.parts import Part, Rows
from trainables.training.stopping import BestEpoch
from trainables.training.workers import Workers
from trainables.user_code import defined_at

__all__ = ["Training", "check_batches", "recipe_of"]

_LOGGER = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]

_PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Training:
    """A network, its optimiser and its schedule, at some epoch.

    The state that `state_dict` gives is complete: a training restored from it continues, on the CPU bit for bit, as if
    it had never stopped.

    Example:
        >>> training = Training("mixed:nasbenchasr:|conv5-d1~0|linear|skip|", get_task("digits"), preset="small")
        >>> while not training.finished:
        ...     result = training.run_epoch()
        >>> training.score("test")
    """

    def __init__(
        self,
        arch: str,
        task: Task,
        data: PreparedData | None = None,
        *,
        preset: str = "paper",
        recipe: Recipe | None = None,
        seed: int = 0,
        precision: Precision | None = None,
        compiled: bool = False,
        workers: Workers | None = None,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Build the network, before its first epoch.

        Args:
            arch: Architecture string of any space, or the name of a baseline.
            task: The task.
            data: Data of the task, on the device to train on; if None, they are loaded, onto a GPU where there is one.
            preset: Sizes of the network of an architecture; see `build_network`.
            recipe: Recipe to train by instead of the task's own.
            seed: Seed of the initial weights, of the order of samples, and of what a network draws itself, such as
                dropout.
            precision: Precision of the network's arithmetic; weights, losses and metrics are float32 always. If None,
                bfloat16 for classes on a GPU that has it, else float32: fields are wanted to more digits than bfloat16
                has.
            compiled: Let `torch.compile` make the network faster: worth its minute where epochs are long.
            workers: The processes that share each batch; all must do the same. Their result is that of one process, but
                for rounding, for what networks draw and, on CPUs, for batch norm, which sees its process's share alone.
            weights: State dict of the network to start from, such as the weights that a supernet holds for it
                (`trainables.oneshot.inherited_weights`); random weights if None.

        Raises:
            TaskError: If the recipe does not fit the data, or another argument is wrong.
        """
        self.task = task
        self.recipe = recipe or task.recipe
        self.epoch = 0
        data = data or PreparedData(task, None, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        self._data = data
        self._seed = seed
        train = data.parts["train"]
        device = data.device
        require_seed("seed", seed, error=TaskError)
        require_bool("compiled", compiled, error=TaskError)
        precision = precision or _own_precision(device, task.dense)
        require_one_of("precision", precision, _PRECISIONS, error=TaskError)
        check_batches(task.name, self.recipe, len(train), 1 if workers is None else workers.count)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_named(arch, data.encoded_shape, task.num_outputs, task.dense, preset)
        if weights is not None:
            network.load_state_dict(weights)
        self.network = network.to(device)
        if len(data.encoded_shape) == 3:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._workers = workers
        self._forward = self._parallel()
        if compiled:
            self._forward = torch.compile(self._forward)  # type: ignore[assignment]
        self._precision = _PRECISIONS[precision]
        self._model = self._decoded(self.network)
        self._pieces = 1
        self._order = torch.Generator().manual_seed(seed)
        self._steps = max(1, round(len(train) / self.recipe.batch_size))
        self._optimizer = make_optimizer(self.recipe, self.network.parameters())
        self._schedule = make_schedule(self.recipe, self._optimizer, self._steps)
        self._average = None if self.recipe.ema is None else averaged(self.network, self.recipe.ema)
        patience = self.recipe.patience
        self._best = None if patience is None else BestEpoch(self.network, task.metric.mode, patience)

    def _parallel(self) -> nn.Module:
        """Wrap the network so that gradients are added up over all workers, where there are several."""
        if self._workers is None:
            return self.network
        if self._data.device.type == "cuda":
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(self.network, find_unused_parameters=self._leads_nowhere())

    def _leads_nowhere(self) -> bool:
        """Tell whether outputs do not depend on some of the weights, those of operations off all paths."""
        ((inputs, _),) = self._data.parts["train"].batches([slice(2)])
        outputs = self.network.eval()(inputs)
        weights = list(self.network.parameters())
        return any(gradient is None for gradient in torch.autograd.grad(outputs.sum(), weights, allow_unused=True))

    @property
    def num_epochs(self) -> int:
        """Epochs of the whole training, if no patience ends it."""
        return self.recipe.epochs

    @property
    def data_in(self) -> str:
        """Place of the data: ``memory`` or ``disk``."""
        return self._data.data_in

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the network."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def example_inputs(self, num: int) -> Tensor:
        """Return inputs of the validation part ``[num, ...]``, as the network takes them, on its device.

        If it has fewer samples, they come again from the first.
        """
        samples = self._data.parts["validation"]
        ((inputs, _),) = samples.batches([torch.arange(num) % len(samples)])
        return inputs

    @property
    def finished(self) -> bool:
        """True once all epochs of the recipe are done, or its patience is at an end."""
        return self.epoch >= self.recipe.epochs or (self._best is not None and self._best.is_long_ago(self.epoch))

    @property
    def kept(self) -> nn.Module:
        """The network that is scored and kept: the trained one, its average, or that of the best epoch."""
        return self._newest if self._best is None else self._best.network

    @property
    def _newest(self) -> nn.Module:
        return self.network if self._average is None else self._average.module

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch and score the validation part.

        Batches differ in size by at most one sample, so none is left too small for batch norm.

        Returns:
            The task's validation metric of the network that is kept, train loss, epoch, seconds, samples per second.
            With patience, that is the metric of the ``best_epoch``, beside the ``epoch_<metric>`` of this one. The
            metric is NaN from the moment when the loss is not finite: such a training should be given up.
        """
        train = self._data.parts["train"]
        start = time.perf_counter()
        device = self._data.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            # What a network draws itself, such as dropout, is a matter of seed and epoch, and not of the process.
            rank = self._workers.rank if self._workers else 0
            torch.manual_seed((self._seed * 1_000_003 + self.epoch + rank * 999_983) % 2**63)
            train_loss = self._fit(train)
        seconds = time.perf_counter() - start
        self.epoch += 1
        score = self._score("validation", self._newest) if math.isfinite(train_loss) else math.nan
        best: dict[str, float] = {}
        if self._best is not None and math.isfinite(train_loss):
            self._best.note(self.epoch, score, self._newest)
            best = {f"epoch_{self.task.metric.name}": score, "best_epoch": self._best.epoch}
            score = self._best.score
        return {
            self.task.metric_key: score,
            **best,
            "train_loss": train_loss,
            "epoch": self.epoch,
            "seconds": time.perf_counter() - start,
            "samples_per_second": len(train) / seconds,
        }

    def _fit(self, train: Part) -> float:
        """Pass once over the training part; return the mean loss."""
        self._forward.train()
        total = torch.zeros((), device=self._data.device)
        order = torch.randperm(len(train), generator=self._order).tensor_split(self._steps)
        whole = self.task.augment is not None or self.task.mix is not None  # which draw for all of a batch
        read = order if whole else [self._share(rows) for rows in order]
        for rows, (inputs, targets) in zip(order, train.batches(read), strict=True):
            if self.task.augment is not None:
                inputs = self.task.augment(inputs, self._order)
            if self.task.mix is not None:
                inputs, targets = self.task.mix(inputs, targets, self._order)
            if whole:
                inputs, targets = self._share(inputs), self._share(targets)
            if self._workers is None:
                loss = self._within_memory(self._gradients, inputs, targets)
            else:
                loss = self._gradients(inputs, targets, len(rows))
            if self.recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
            self._optimizer.step()
            self._schedule.step()
            if self._average is not None:
                self._average.update_parameters(self.network)
            total += loss * len(rows)
        if self._workers is not None:
            total = self._workers.total(total)
        return total.item() / len(train)

    def _share(self, samples: Tensor) -> Tensor:
        """Cut out this process's part of a batch; all of it where there is one process."""
        return samples if self._workers is None else self._workers.share(samples)

    def _gradients(self, inputs: Tensor, targets: Tensor, num: int | None = None) -> Tensor:
        """Compute the gradients of a batch, added up over its pieces.

        Args:
            inputs: Inputs of the batch, or of this worker's share of it.
            targets: Targets of the same samples.
            num: Number of samples in the whole batch, if these are a share of it.

        Returns:
            The share of these samples in the batch's mean loss.
        """
        self._optimizer.zero_grad()
        num, count = num or len(inputs), max(1, min(self._pieces, len(inputs) // 2))  # batch norm may need two samples
        scale = (num if self.recipe.summed_loss else 1) * (self._workers.count if self._workers else 1)  # DDP averages
        part = torch.zeros((), device=inputs.device)
        for piece, wanted in zip(inputs.tensor_split(count), targets.tensor_split(count), strict=True):
            loss = self._loss(piece, wanted) * (len(piece) / num)
            (loss * scale).backward()  # type: ignore[no-untyped-call]
            part += loss.detach()
        return part

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of samples: the task's, or that of its own step."""
        if self.task.step is None:
            return self.task.loss(self._model(inputs), targets)
        loss = self.task.step(self._model, inputs, targets)
        if not isinstance(loss, Tensor) or loss.ndim > 0:
            where = defined_at(self.task.step)
            raise UserCodeError(
                f"Task {self.task.name}: step{f' at {where}' if where else ''} must return the loss of the batch, a "
                f"tensor of one number."
            )
        return loss

    def _decoded(self, network: nn.Module) -> Decoded:
        """Decode the outputs of a network; of the trained one, in the form in which it is trained."""
        return Decoded(self._forward if network is self.network else network, self._data.decoder, self._precision)

    def _within_memory(self, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
        """Call the function, with batches cut into twice as many pieces as long as the device's memory is too small.

        Raises:
            TaskError: If pieces of two samples are too large.
        """
        while True:
            try:
                return function(*arguments)
            except torch.cuda.OutOfMemoryError as error:
                if self.recipe.batch_size // (2 * self._pieces) < 2:
                    raise TaskError(
                        f"The memory of {self._data.device} is too small for two samples of {self.task.name} at a "
                        f"time: {error}"
                    ) from error
            self._pieces *= 2
            _LOGGER.warning(
                "A batch of %d does not fit into the memory of %s: its gradient is now added up over %d pieces.",
                self.recipe.batch_size,
                self._data.device,
                self._pieces,
            )
            if self._data.device.type == "cuda":
                torch.cuda.empty_cache()

    def score(self, part: str) -> float:
        """Compute the task's metric of the network that is kept over ``validation`` or ``test``, as one whole."""
        return self._score(part, self.kept)

    def _score(self, part: str, network: nn.Module) -> float:
        samples = self._data.parts[part]
        return self.task.metric(self._predict(part, network), samples.targets, samples.groups)

    def predict(self, part: str) -> Tensor:
        """Predict a whole part by the network that is kept: decoded outputs ``[N, ...]``, where its targets are."""
        return self._predict(part, self.kept)

    @torch.no_grad()
    def _predict(self, part: str, network: nn.Module) -> Tensor:
        predicted = partial(self._predicted, self._decoded(network).eval())
        samples = self._data.parts[part]
        if self._workers is None:
            return self._within_memory(predicted, samples)
        size = -(-len(samples) // self._workers.count)
        rows = (torch.arange(size) + size * self._workers.rank) % len(samples)
        outputs = predicted(samples, rows).to(self._data.device)
        return self._workers.gather(outputs, len(samples)).to(samples.targets.device)

    def _predicted(self, network: nn.Module, samples: Part, rows: Tensor | None = None) -> Tensor:
        """Predict the samples of these rows; all if None."""
        size = max(self.recipe.batch_size, 100) if self._pieces == 1 else self.recipe.batch_size // self._pieces
        order: Sequence[Rows] = [slice(start, start + size) for start in range(0, len(samples), size)]
        if rows is not None:
            order = torch.split(rows, size)
        return torch.cat([network(inputs).to(samples.targets.device) for inputs, _ in samples.batches(order)])

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on: tensors and plain values."""
        state = {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "order": self._order.get_state(),
            "pieces": self._pieces,
        }
        for name, part in (("average", self._average), ("best", self._best)):
            if part is not None:
                state[name] = part.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict` of a training built in the same way."""
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._order.set_state(state["order"])
        self._pieces = state.get("pieces", 1)  # older states had one
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        if self._best is not None:
            self._best.load_state_dict(state["best"])


def check_batches(task: str, recipe: Recipe, num_train: int, num_workers: int = 1) -> None:
    """Refuse batches that the training part cannot fill, or that are too small for the workers that share them.

    Args:
        task: Name of the task, for messages.
        recipe: Recipe of the training.
        num_train: Samples of the training part.
        num_workers: Processes that share each batch.

    Raises:
        TaskError: If a batch is too large or too small; the message says what to change.
    """
    if recipe.batch_size > num_train:
        raise TaskError(
            f"A batch of {recipe.batch_size} is larger than the training part of {task}, which has {num_train} "
            f"samples: take a smaller batch_size."
        )
    if num_workers > 1 and recipe.batch_size < 2 * num_workers:
        raise TaskError(
            f"Batches of {recipe.batch_size} are too small for {num_workers} workers, which need two samples each."
        )


def recipe_of(task: Task, config: Mapping[str, Any]) -> Recipe:
    """Replace values of the task's recipe by those that a trial's config holds."""
    named = {name: config[name] for name in RECIPE_OPTIONS if name in config}
    return replace(task.recipe, **named)


def _own_precision(device: torch.device, dense: bool) -> Precision:
    return "bfloat16" if device.type == "cuda" and not dense and torch.cuda.is_bf16_supported() else "float32"
