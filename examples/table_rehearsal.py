"""Rehearse a Ray Tune experiment on a NAS table: each trial looks its score up instead of training.

Run it with ``python table_rehearsal.py``; it takes seconds. It uses the bundled table, which has 300 architectures of
the space ``mixed``: ``tune.choice`` restricts the search to these. The predictor ``mpnas-3`` has not seen this table.
"""

from ray import tune

from mpnas_ray.tables import BUNDLED_TABLE, load_tasks
from searchers import MPNASSearch
from trainables import TabularTrainable

TASK = "mixed/splice"


def main():
    """Search the table and compare the best trial with the best architecture that the table has."""
    table = load_tasks(BUNDLED_TABLE.parent, [TASK])[TASK]
    tuner = tune.Tuner(
        tune.with_parameters(TabularTrainable, table=table),
        param_space={"arch": tune.choice([str(arch) for arch in table.archs])},
        tune_config=tune.TuneConfig(
            search_alg=MPNASSearch("mixed", predictor="mpnas-3", seed=0),
            metric=table.metric,
            mode=table.mode,
            num_samples=20,
            max_concurrent_trials=1,
            reuse_actors=True,
        ),
    )
    found = tuner.fit().get_best_result().metrics[table.metric]
    best = table.raw.min() if table.mode == "min" else table.raw.max()
    print(f"{table.metric} {found:.4f} found in 20 trials; the best of {len(table.archs)} is {best:.4f}")


if __name__ == "__main__":
    main()
