"""The training of one network on one task: plain PyTorch, no Tune in it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mpnas_ray.checks import require_bool, require_one_of, require_seed
from mpnas_ray.errors import TaskError
from trainables.networks.named import build_named
from trainables.tasks.core.task import Recipe, Split, Task
from trainables.training.data import PreparedData
from trainables.training.optimisation import make_optimizer, make_schedule
from trainables.training.workers import Workers

__all__ = ["Training", "check_batches", "recipe_of"]

_LOGGER = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]

_PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Training:
    """A network, its optimiser and its schedule, at some epoch.

    The state that `state_dict` gives is complete: a training restored from it continues, on the CPU bit for bit, as if
    it had never stopped.
    """

    def __init__(
        self,
        arch: str,
        task: Task,
        data: PreparedData,
        *,
        preset: str = "paper",
        recipe: Recipe | None = None,
        seed: int = 0,
        precision: Precision | None = None,
        compiled: bool = False,
        workers: Workers | None = None,
    ) -> None:
        """Build the network, before its first epoch.

        Args:
            arch: Architecture string of any space, or the name of a baseline.
            task: The task.
            data: Data of the task, on the device to train on.
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

        Raises:
            TaskError: If the recipe does not fit the data, or another argument is wrong.
        """
        self.task = task
        self.recipe = recipe or task.recipe
        self.epoch = 0
        self._data = data
        self._seed = seed
        train = data.parts["train"]
        device = train.inputs.device
        require_seed("seed", seed, error=TaskError)
        require_bool("compiled", compiled, error=TaskError)
        precision = precision or _own_precision(device, task.dense)
        require_one_of("precision", precision, _PRECISIONS, error=TaskError)
        check_batches(task.name, self.recipe, len(train), 1 if workers is None else workers.count)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_named(arch, data.encoded_shape, task.num_outputs, task.dense, preset)
        self.network = network.to(device)
        if train.inputs.ndim == 4:
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._workers = workers
        self._forward = self._parallel()
        if compiled:
            self._forward = torch.compile(self._forward)  # type: ignore[assignment]
        self._precision = _PRECISIONS[precision]
        self._pieces = 1
        self._order = torch.Generator().manual_seed(seed)
        self._steps = max(1, round(len(train) / self.recipe.batch_size))
        self._optimizer = make_optimizer(self.recipe, self.network.parameters())
        self._schedule = make_schedule(self.recipe, self._optimizer, self._steps)

    def _parallel(self) -> nn.Module:
        """Wrap the network so that gradients are added up over all workers, where there are several."""
        if self._workers is None:
            return self.network
        on_gpu = self._data.parts["train"].inputs.device.type == "cuda"
        if on_gpu:
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(self.network, find_unused_parameters=self._leads_nowhere())

    def _leads_nowhere(self) -> bool:
        """Tell whether outputs do not depend on some of the weights, those of operations off all paths."""
        outputs = self.network.eval()(self._data.parts["train"].inputs[:2])
        weights = list(self.network.parameters())
        return any(gradient is None for gradient in torch.autograd.grad(outputs.sum(), weights, allow_unused=True))

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the network."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def example_inputs(self) -> Tensor:
        """Return the inputs of the validation part ``[N, ...]``, as the network takes them, on its device."""
        return self._data.parts["validation"].inputs

    @property
    def finished(self) -> bool:
        """True once all epochs of the recipe are done."""
        return self.epoch >= self.recipe.epochs

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch and score the validation part.

        Batches differ in size by at most one sample, so none is left too small for batch norm.

        Returns:
            The task's validation metric, train loss, epoch, seconds, samples per second. The metric is NaN from the
            moment when the loss is not finite: such a training should be given up.
        """
        train = self._data.parts["train"]
        start = time.perf_counter()
        device = train.inputs.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            # What a network draws itself, such as dropout, is a matter of seed and epoch, and not of the process.
            rank = self._workers.rank if self._workers else 0
            torch.manual_seed((self._seed * 1_000_003 + self.epoch + rank * 999_983) % 2**63)
            train_loss = self._fit(train)
        seconds = time.perf_counter() - start
        self.epoch += 1
        score = self.score("validation") if math.isfinite(train_loss) else math.nan
        return {
            self.task.metric_key: score,
            "train_loss": train_loss,
            "epoch": self.epoch,
            "seconds": time.perf_counter() - start,
            "samples_per_second": len(train) / seconds,
        }

    def _fit(self, train: Split) -> float:
        """Pass once over the training part; return the mean loss."""
        self._forward.train()
        total = torch.zeros((), device=train.inputs.device)
        order = torch.randperm(len(train), generator=self._order).to(train.inputs.device)
        for rows in order.tensor_split(self._steps):
            inputs = train.inputs[rows]
            if self.task.augment is not None:
                inputs = self.task.augment(inputs, self._order)
            targets = train.targets[rows]
            if self.task.mix is not None:
                inputs, targets = self.task.mix(inputs, targets, self._order)
            if self._workers is None:
                loss = self._within_memory(self._gradients, inputs, targets)
            else:
                loss = self._gradients(self._workers.share(inputs), self._workers.share(targets), len(rows))
            if self.recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
            self._optimizer.step()
            self._schedule.step()
            total += loss * len(rows)
        if self._workers is not None:
            total = self._workers.total(total)
        return total.item() / len(train)

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
            loss = self.task.loss(self._decoded(piece), wanted) * (len(piece) / num)
            (loss * scale).backward()  # type: ignore[no-untyped-call]
            part += loss.detach()
        return part

    def _decoded(self, inputs: Tensor) -> Tensor:
        """Decode the network's outputs to what the loss compares, float32."""
        with torch.autocast(inputs.device.type, self._precision, enabled=self._precision != torch.float32):
            outputs = self._forward(inputs)
        return self._data.decoder(outputs.float())  # type: ignore[no-any-return]

    def _within_memory(self, function: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
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
                        f"The memory of {arguments[0].device} is too small for two samples of {self.task.name} at a "
                        f"time: {error}"
                    ) from error
            self._pieces *= 2
            _LOGGER.warning(
                "A batch of %d does not fit into the memory of %s: its gradient is now added up over %d pieces.",
                self.recipe.batch_size,
                arguments[0].device,
                self._pieces,
            )
            if arguments[0].device.type == "cuda":
                torch.cuda.empty_cache()

    def score(self, part: str) -> float:
        """Compute the task's metric over ``validation`` or ``test``, as one whole."""
        split = self._data.parts[part]
        return self.task.metric(self.predict(part), split.targets, split.groups)

    @torch.no_grad()
    def predict(self, part: str) -> Tensor:
        """Predict a whole part: decoded outputs ``[N, ...]``."""
        self._forward.eval()
        inputs = self._data.parts[part].inputs
        if self._workers is None:
            return self._within_memory(self._predicted, inputs)
        size = -(-len(inputs) // self._workers.count)
        rows = torch.arange(size, device=inputs.device) + size * self._workers.rank
        return self._workers.gather(self._predicted(inputs[rows % len(inputs)]), len(inputs))

    def _predicted(self, inputs: Tensor) -> Tensor:
        size = max(self.recipe.batch_size, 100) if self._pieces == 1 else self.recipe.batch_size // self._pieces
        return torch.cat([self._decoded(batch) for batch in torch.split(inputs, size)])

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on: tensors and plain values."""
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "order": self._order.get_state(),
            "pieces": self._pieces,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict` of a training built in the same way."""
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._order.set_state(state["order"])
        self._pieces = state.get("pieces", 1)  # older states had one


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
    named = {name: config[name] for name in ("epochs", "batch_size", "learning_rate", "weight_decay") if name in config}
    return replace(task.recipe, **named)


def _own_precision(device: torch.device, dense: bool) -> Precision:
    return "bfloat16" if device.type == "cuda" and not dense and torch.cuda.is_bf16_supported() else "float32"
