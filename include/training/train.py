"""Trains the flight delay model and evaluates it on days later than those it learned from.

Script mode of the managed XGBoost image 3.0-5: channels ``train`` and ``evaluation`` hold parquet files,
hyperparameters come as arguments, and the ``SM_`` variables of the training toolkit tell the folders.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost as xgb
from features import DATE, FEATURES, ROUTE, TARGET

PREDICTIONS = 200
"""Held-out rows kept with their prediction, for checking an endpoint against."""


class InputError(Exception):
    """The channels can't be trained on; the message says why."""


def read_channel(folder: Path) -> pd.DataFrame:
    """All rows of the parquet files of a channel, ordered by date and, within, as they were written.

    :raises InputError: there is no file, no row, or a column is missing.
    """
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise InputError(f"channel {folder.name} holds no parquet file in {folder}")
    columns = list(dict.fromkeys([DATE, *ROUTE, *FEATURES, TARGET]))
    try:
        rows = pd.concat([pd.read_parquet(file, columns=columns) for file in files], ignore_index=True)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"channel {folder.name} can't be read: {error}") from error
    if rows.empty:
        raise InputError(f"channel {folder.name} holds no row")
    return rows.sort_values(DATE, kind="stable", ignore_index=True)


def dates_of(rows: pd.DataFrame) -> list[str]:
    """The dates told of, in order."""
    return sorted({str(date)[:10] for date in rows[DATE].unique()})


def check_order(training_dates: list[str], evaluation_dates: list[str]) -> None:
    """Evaluation is honest only on days later than every day of training.

    :raises InputError: a day to evaluate on isn't later.
    """
    if evaluation_dates[0] <= training_dates[-1]:
        raise InputError(
            f"evaluation starts on {evaluation_dates[0]}, not after the last day of training, "
            f"{training_dates[-1]}"
        )


def rmse(predictions: Any, actual: Any) -> float:
    """Root mean square error in minutes."""
    return float(np.sqrt(np.mean((np.asarray(predictions) - np.asarray(actual)) ** 2)))


def baselines(training: pd.DataFrame, evaluation: pd.DataFrame) -> dict[str, float]:
    """Errors of predicting the mean of all training rows, and of those of the same route."""
    mean = training[TARGET].mean()
    route_means = training.groupby(ROUTE)[TARGET].mean().rename("prediction")
    by_route = evaluation.join(route_means, on=ROUTE)["prediction"].fillna(mean)
    return {"mean": rmse(mean, evaluation[TARGET]), "route_mean": rmse(by_route, evaluation[TARGET])}


def fit(training: pd.DataFrame, hyperparameters: argparse.Namespace) -> xgb.Booster:
    """A booster that the same rows and hyperparameters give again, whatever the number of threads."""
    parameters = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": hyperparameters.max_depth,
        "eta": hyperparameters.eta,
        "subsample": hyperparameters.subsample,
        "min_child_weight": hyperparameters.min_child_weight,
        "seed": hyperparameters.seed,
        "nthread": int(os.environ.get("SM_NUM_CPUS", "1")),
    }
    return xgb.train(parameters, xgb.DMatrix(training[FEATURES], training[TARGET]), hyperparameters.num_round)


def sample(evaluation: pd.DataFrame, predictions: Any) -> list[dict[str, Any]]:
    """At most 200 held-out rows, spread evenly over the days, each with actual value and prediction."""
    step = max(1, math.ceil(len(evaluation) / PREDICTIONS))
    return [
        {
            "features": {
                name: None if math.isnan(value) else value
                for name, value in zip(FEATURES, map(float, row), strict=True)
            },
            "actual": float(actual),
            "prediction": float(prediction),
        }
        for row, actual, prediction in zip(
            evaluation[FEATURES].to_numpy()[::step],
            evaluation[TARGET].to_numpy()[::step],
            predictions[::step],
            strict=True,
        )
    ]


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fit, evaluate, and write model and evaluation.

    :return: the content of ``evaluation.json``.
    :raises InputError: the channels can't be trained on.
    """
    training, evaluation = read_channel(arguments.train), read_channel(arguments.evaluation)
    training_dates, evaluation_dates = dates_of(training), dates_of(evaluation)
    check_order(training_dates, evaluation_dates)

    model = fit(training, arguments)
    predictions = model.predict(xgb.DMatrix(evaluation[FEATURES]))
    simple = baselines(training, evaluation)
    result = {
        "rmse": rmse(predictions, evaluation[TARGET]),
        "baseline_rmse": min(simple.values()),
        "baselines": simple,
        "evaluation_rows": len(evaluation),
        "training_rows": len(training),
        "training_dates": training_dates,
        "evaluation_dates": evaluation_dates,
    }
    for folder in (arguments.model_dir, arguments.output_data_dir):
        folder.mkdir(parents=True, exist_ok=True)
    model.save_model(arguments.model_dir / "model.ubj")
    (arguments.output_data_dir / "evaluation.json").write_text(json.dumps(result, indent=1))
    lines = [json.dumps(row) + "\n" for row in sample(evaluation, predictions)]
    (arguments.output_data_dir / "predictions.jsonl").write_text("".join(lines))
    return result


def parse(argv: list[str]) -> argparse.Namespace:
    """Hyperparameters as the training toolkit passes them, and its folders.

    The defaults were chosen on windows of 28 days that end on 2013-04-10, 05-08, 06-12, 07-10, 08-14, 09-11,
    10-09 and 11-06, by the error on the three days after each, relative to the better baseline.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max_depth", type=int, default=6)
    parser.add_argument("--eta", type=float, default=0.05)
    parser.add_argument("--num_round", type=int, default=100)
    parser.add_argument("--subsample", type=float, default=0.8)
    parser.add_argument("--min_child_weight", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    for name, variable in (
        ("train", "SM_CHANNEL_TRAIN"),
        ("evaluation", "SM_CHANNEL_EVALUATION"),
        ("model-dir", "SM_MODEL_DIR"),
        ("output-data-dir", "SM_OUTPUT_DATA_DIR"),
    ):
        default = os.environ.get(variable)
        parser.add_argument(
            f"--{name}", type=Path, default=default, required=default is None, help=f"${variable}"
        )
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    result = train(parse(argv))
    print(
        f"trained on {result['training_rows']} rows of {len(result['training_dates'])} days, "
        f"evaluated on {result['evaluation_rows']} rows of {len(result['evaluation_dates'])} later days"
    )
    # SageMaker finds its metrics in the log by regular expressions: keep this line's form.
    print(
        f"evaluation rmse={result['rmse']:.6f}; baseline_rmse={result['baseline_rmse']:.6f}; "
        f"mean_rmse={result['baselines']['mean']:.6f}; "
        f"route_mean_rmse={result['baselines']['route_mean']:.6f};",
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
