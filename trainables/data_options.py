"""Options of tasks that are made of a user's files: ``images:FOLDER``, ``csv:FILE`` and ``npz:FILE``.

They stand here, away from all that reads data, since a command shows them before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from mpnas_ray.checks import require_bool, require_count, require_number, require_one_of, require_seed, require_text
from mpnas_ray.errors import TaskError
from mpnas_ray.names import no_such

__all__ = [
    "AUGMENTATIONS",
    "COLOURS",
    "DATA_IN",
    "LOSSES",
    "METRICS",
    "ROWS",
    "SCHEMES",
    "WEIGHTS",
    "DataOptions",
    "all_names",
    "check_used",
    "scheme_of",
]

METRICS = {
    "classes": (
        "accuracy",
        "error",
        "balanced_accuracy",
        "f1_macro",
        "f1_weighted",
        "precision_macro",
        "recall_macro",
        "auroc",
        "average_precision",
        "cohen_kappa",
        "quadratic_kappa",
        "matthews_corrcoef",
    ),
    "labels": ("f1_macro", "f1_micro", "auroc", "average_precision", "exact_match", "hamming_distance"),
    "values": ("mae", "mse", "rmse", "r2", "pearson", "spearman", "explained_variance"),
}
"""Kind of targets -> names of metrics, `trainables.tasks.sources.metrics`; the names are those of torchmetrics."""

LOSSES = {
    "classes": ("cross_entropy", "ordinal"),
    "labels": ("bce",),
    "values": ("mse", "l1", "huber"),
}
"""Kind of targets -> names of losses, the default first: `trainables.tasks.sources.losses`."""

AUGMENTATIONS = {
    "images": ("flip", "crop", "cutout", "mixup"),
    "series": ("jitter", "scaling", "mixup"),
    "features": ("jitter", "mixup"),
}
"""Kind of inputs -> names of augmentations: `trainables.tasks.sources.augmentations`."""

COLOURS = ("grey", "rgb")

ROWS = ("auto", "features", "series")

WEIGHTS = ("balanced",)

DATA_IN = ("auto", "memory", "disk")
"""Places for the data of a training, of any task: see `trainables.training.memory`."""

_ALL = ("images", "csv", "npz")

SCHEMES = {
    "images": "a folder of images, images:FOLDER",
    "csv": "a CSV file, csv:FILE",
    "npz": "a NumPy archive, npz:FILE",
}
"""First word of a task's name, before the colon -> what it names: all kinds of files that tasks are made of."""


def all_names(known: dict[str, tuple[str, ...]]) -> list[str]:
    """List the names of all kinds, each once."""
    return list(dict.fromkeys(name for names in known.values() for name in names))


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options of a task that is made of files: ``images:FOLDER``, ``csv:FILE`` or ``npz:FILE``.

    Attributes:
        target: Column of a CSV file to predict: texts and whole numbers are classes, other numbers are values. Several
            columns (repeatable, or with commas between) are predicted together, as values, or as labels where they
            hold 0 and 1 alone.
        group: Column of a CSV file whose equal values belong together, such as a patient: they come into the same
            part.
        rows: Form of the rows of a CSV file: features, in which each column is scaled by itself, or series, in which
            columns named by a word and a number are the steps of one channel for each word; auto takes series where
            all columns are so named.
        image_size: Height and width, in pixels, to which images are resized.
        colours: Colours of images, grey or rgb; by default those of the files, which must then be alike.
        validation_share: Share of the samples for validation, where the files have no part for it.
        test_share: Share of the samples for the test, where the files have no part for it.
        split_seed: Seed of the split.
        loss: Loss to train by: cross_entropy (of classes, the default) or ordinal (of classes in order), bce (of
            labels), mse (of values, the default), l1 or huber. One of values makes numbers of a whole-number target.
        metric: Metric to choose by; by default accuracy for classes, average_precision for labels, r2 for values. One
            of values makes numbers of a whole-number target.
        class_weights: Weights of classes in the loss: balanced counts rare ones more; by default all count the same.
        augment: Augmentations of training samples (repeatable, or with commas between): flip, crop, cutout and mixup
            for images; jitter, scaling and mixup for series.
        skip_bad: Leave out files that are no images, and rows with missing values; they are counted.

    Raises:
        TaskError: If a number is out of its range, or nothing has such a name.
    """

    target: tuple[str, ...] = field(default=(), metadata={"schemes": ("csv",), "metavar": "COLUMN"})
    group: str | None = field(default=None, metadata={"schemes": ("csv",), "metavar": "COLUMN"})
    rows: str = field(default="auto", metadata={"schemes": ("csv",)})
    image_size: int = field(default=32, metadata={"schemes": ("images",)})
    colours: str | None = field(default=None, metadata={"schemes": ("images",)})
    validation_share: float = field(default=0.2, metadata={"schemes": _ALL})
    test_share: float = field(default=0.2, metadata={"schemes": _ALL})
    split_seed: int = field(default=0, metadata={"schemes": _ALL})
    loss: str | None = field(default=None, metadata={"schemes": _ALL})
    metric: str | None = field(default=None, metadata={"schemes": _ALL})
    class_weights: str | None = field(default=None, metadata={"schemes": _ALL})
    augment: tuple[str, ...] = field(default=(), metadata={"schemes": _ALL, "metavar": "NAME"})
    skip_bad: bool = field(default=False, metadata={"schemes": ("images", "csv")})

    @classmethod
    def of(cls, settings: DataOptions) -> DataOptions:
        """Take the options out of the settings of a command, of which they are a part."""
        return cls(**{one.name: getattr(settings, one.name) for one in fields(DataOptions)})

    def __post_init__(self) -> None:
        for name in ("target", "augment"):
            object.__setattr__(self, name, _listed(name, getattr(self, name)))
        if self.group is not None:
            require_text("group", self.group, error=TaskError)
        require_one_of("rows", self.rows, ROWS, error=TaskError)
        if self.colours is not None:
            require_one_of("colours", self.colours, COLOURS, error=TaskError)
        for name, known in (("loss", LOSSES), ("metric", METRICS), ("augment", AUGMENTATIONS)):
            given = getattr(self, name)
            for one in given if isinstance(given, tuple) else [given] if given is not None else []:
                if one not in (names := all_names(known)):
                    raise TaskError(no_such({"augment": "augmentation"}.get(name, name), one, names))
        if self.class_weights is not None:
            require_one_of("class_weights", self.class_weights, WEIGHTS, error=TaskError)
        require_bool("skip_bad", self.skip_bad, error=TaskError)
        plain: dict[str, object] = {
            "image_size": require_count("image_size", self.image_size, 4, 4096, error=TaskError),
            "split_seed": require_seed("split_seed", self.split_seed, error=TaskError),
        }
        for name in ("validation_share", "test_share"):
            plain[name] = require_number(name, getattr(self, name), above=0, below=1, error=TaskError)
        if self.validation_share + self.test_share >= 1:
            raise TaskError(
                f"validation_share and test_share are {self.validation_share:g} and {self.test_share:g}, which leaves "
                "nothing to train on: together they must be less than 1."
            )
        for name, value in plain.items():
            object.__setattr__(self, name, value)


def scheme_of(task: str) -> str | None:
    """Return ``images`` of ``images:FOLDER``; None where the name is of no such kind."""
    scheme, colon, _ = task.partition(":")
    return scheme if colon and scheme in SCHEMES else None


def check_used(options: DataOptions, task: str) -> None:
    """Refuse options, other than the defaults, that the task does not use.

    Args:
        options: Options of the user.
        task: Task as the user named it.

    Raises:
        TaskError: Naming the first such option.
    """
    scheme = scheme_of(task)
    for one in fields(DataOptions):
        schemes = one.metadata["schemes"]
        if scheme not in schemes and getattr(options, one.name) != one.default:
            raise TaskError(
                f"The task {task} does not use {one.name} (--{one.name.replace('_', '-')}), which is for "
                f"{' or '.join(SCHEMES[name] for name in schemes)}."
            )


def _listed(name: str, value: object) -> tuple[str, ...]:
    """Read ``("a,b", "c")`` as ``("a", "b", "c")``."""
    given = (value,) if isinstance(value, str) else value or ()
    given = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(one, str) for one in given):
        raise TaskError(f"{name} must be names, not {value!r}.")
    return tuple(dict.fromkeys(part.strip() for one in given for part in one.split(",") if part.strip()))
