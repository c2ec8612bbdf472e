"""Find a trained supernet, by which a search is to score architectures, or from whose weights networks are to start."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cluster.run.config import SearchConfig
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import newest_trainings, read_trials
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such
from mpnas_ray.spaces import get_space
from trainables.tasks.core.task import Task
from trainables.tune.saved_supernet import read_inherited
from trainables.tune.supernet_score import SupernetScore

__all__ = ["ONE_SHOT", "SUPERNETS_FILE", "chosen_cells", "names_supernet", "supernet_score", "supernet_weights"]

SUPERNETS_FILE = "supernets.json"
"""File with the settings that all supernets of a run share, and with name, method and seed of each."""

ONE_SHOT = "oneshot"
"""Name of the searcher that begins with the cells that supernets chose."""

_PREFIX = "supernet:"


def names_supernet(text: str) -> bool:
    """Tell whether a text names a supernet: ``supernet:RUN`` or ``supernet:RUN:NAME``."""
    return str(text).startswith(_PREFIX)


def supernet_score(config: SearchConfig, task: Task) -> SupernetScore:
    """Make a score of the supernet that the config's proxy names, a run in the same storage.

    Raises:
        RunError: If there is no such supernet, if its training has not ended, or it is of another task or space.
    """
    return SupernetScore(
        checkpoint=_checkpoint(config, task, str(config.proxy)),
        task=config.task,
        data_dir=Path(config.data_dir) if config.data_dir else None,
        options=config.data_options,
    )


def supernet_weights(config: SearchConfig, task: Task) -> str | None:
    """Return the checkpoint of the supernet from whose weights networks are to start; None for random weights.

    Raises:
        RunError: If there is no such supernet, if its training has not ended, or it is of another task or space.
        TaskError: If it has another preset, or holds no weights for whole networks.
    """
    if config.weights is None:
        return None
    checkpoint = _checkpoint(config, task, config.weights)
    example = get_space(config.space).sample(np.random.default_rng(0))
    read_inherited(checkpoint, str(example), task, config.preset)
    return checkpoint


def _checkpoint(config: SearchConfig, task: Task, reference: str) -> str:
    """Return the newest checkpoint of the supernet that a text names."""
    folder, name = _named(config, reference)
    run = folder.name
    settings = folder.read_json(SUPERNETS_FILE)
    if settings is None:
        raise RunError(
            f"{folder} holds no supernets: name a run of `mpnas supernet` in the same storage, such as supernet:sn."
        )
    names = [each["model"] for each in settings["supernets"]]
    if name not in names and (name or len(names) > 1):
        raise RunError(
            no_such("supernet", name, names)
            if name
            else f"{folder} holds several supernets: name one, such as supernet:{run}:{names[0]}. There are: "
            f"{', '.join(names)}."
        )
    constants = settings["constants"]
    family = f":{constants['family']}" if "family" in constants else ""
    made_for = (constants["task"], f"{constants['space']}{family}")
    if made_for != (task.name, config.space):
        raise RunError(
            f"The supernets of {folder} are of {made_for[1]} on {made_for[0]}, and this search is of {config.space} on "
            f"{task.name}: a supernet serves cells of its own space and task alone."
        )
    training = newest_trainings(read_trials(folder)).get(name or names[0])
    if training is None or not training.ended:
        raise RunError(
            f"The supernet {name or names[0]} of {folder} is not trained to its end: call `mpnas supernet` with --name "
            f"{run} again."
        )
    return training.checkpoint


def chosen_cells(config: SearchConfig) -> list[str]:
    """List the architectures that the supernets of the proxy's run chose, that of the named one first.

    Those whose training has not ended have not chosen yet.
    """
    folder, name = _named(config, str(config.proxy))
    ended = [trial for trial in read_trials(folder) if trial.training is not None and trial.training.ended]
    ended.sort(key=lambda trial: trial.config["model"] != name)
    return list(dict.fromkeys(trial.result["arch"] for trial in ended if trial.result and trial.result.get("arch")))


def _named(config: SearchConfig, reference: str) -> tuple[RunFolder, str]:
    """Return the run that a text names, in the storage of the search, and the supernet; empty if none is named."""
    run, _, name = reference.removeprefix(_PREFIX).partition(":")
    return RunFolder(str(config.storage), run, writable=False), name
