"""Ray Tune's own way: our trainable and our space in a Tuner of one's own, with any searcher, scheduler and callback.

python examples/own_tuner.py
"""

import argparse
from pathlib import Path

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from analysis import from_result_grid
from search import open_run
from spaces import self_paced
from trainables import trainable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="scenes:count=210", help="any --data of search.run (scenes:count=210)")
    parser.add_argument("--samples", type=int, default=6, help="trials (6)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a trial (4)")
    parser.add_argument("--image-size", type=int, default=32, help="pixels a side (32)")
    parser.add_argument("--out", default="runs", help="folder for the experiment (runs)")
    given = parser.parse_args()

    strategy = trainable("self_paced", data=given.data, image_size=given.image_size, epochs=given.epochs)
    tuner = tune.Tuner(
        strategy,
        param_space=self_paced.to_tune(),
        tune_config=tune.TuneConfig(
            metric="eval_accuracy",
            mode="max",
            num_samples=given.samples,
            search_alg=OptunaSearch(),
            scheduler=ASHAScheduler(),
        ),
        run_config=tune.RunConfig(storage_path=str(Path(given.out).absolute())),
    )
    results = tuner.fit()

    best = results.get_best_result()
    print(best.config)
    print({name: value for name, value in best.metrics.items() if name.startswith("eval_")})

    folder = f"{results.experiment_path}-run"
    from_result_grid(results, folder, strategy)  # a run folder as our own searches leave one
    run = open_run(folder)
    print(run.finals[["trial", "state", "best_epoch", "selection_accuracy", "seconds"]])
    print(f"The run is {run.folder}; its report: {run.report(f'{folder}/report')}")


if __name__ == "__main__":
    main()
