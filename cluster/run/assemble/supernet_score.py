"""Find a trained supernet, by which a search is to score architectures."""

from __future__ import annotations

from pathlib import Path

from cluster.run.config import SearchConfig
from cluster.storage.run_folder import RunFolder
from cluster.storage.trial_files import newest_trainings, read_trials
from mpnas_ray.errors import RunError
from mpnas_ray.names import no_such
from trainables.tasks.core.task import Task
from trainables.tune.supernet_score import SupernetScore

__all__ = ["ONE_SHOT", "SUPERNETS_FILE", "chosen_cells", "names_supernet", "supernet_score"]

SUPERNETS_FILE = "supernets.json"
"""File with the settings that all supernets of a run share, and with name, method and seed of each."""

ONE_SHOT = "oneshot"
"""Name of the searcher that begins with the cells that supernets chose."""

_PREFIX = "supernet:"


def names_supernet(proxy: str) -> bool:
    """Tell whether a proxy is the weights of a supernet: ``supernet:RUN`` or ``supernet:RUN:NAME``."""
    return str(proxy).startswith(_PREFIX)


def supernet_score(config: SearchConfig, task: Task) -> SupernetScore:
    """Make a score of the supernet that the config's proxy names, a run in the same storage.

    Raises:
        RunError: If there is no such supernet, if its training has not ended, or it is of another task or space.
    """
    folder, name = _named(config)
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
            f"{task.name}: a supernet scores cells of its own space and task alone."
        )
    training = newest_trainings(read_trials(folder)).get(name or names[0])
    if training is None or not training.ended:
        raise RunError(
            f"The supernet {name or names[0]} of {folder} is not trained to its end: call `mpnas supernet` with --name "
            f"{run} again."
        )
    return SupernetScore(
        checkpoint=training.checkpoint,
        task=config.task,
        data_dir=Path(config.data_dir) if config.data_dir else None,
        options=config.data_options,
    )


def chosen_cells(config: SearchConfig) -> list[str]:
    """List the architectures that the supernets of the proxy's run chose, that of the named one first.

    Those whose training has not ended have not chosen yet.
    """
    folder, name = _named(config)
    ended = [trial for trial in read_trials(folder) if trial.training is not None and trial.training.ended]
    ended.sort(key=lambda trial: trial.config["model"] != name)
    return list(dict.fromkeys(trial.result["arch"] for trial in ended if trial.result and trial.result.get("arch")))


def _named(config: SearchConfig) -> tuple[RunFolder, str]:
    """Return the run that the config's proxy names, and the supernet; empty if none is named."""
    run, _, name = str(config.proxy).removeprefix(_PREFIX).partition(":")
    return RunFolder(str(config.storage), run, writable=False), name
