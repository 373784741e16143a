"""Words of other tools, and names of Optuna's classes, for what has another name here.

A line of `[space]` in their form as a whole: see studies/space/other_forms.py.
"""

from __future__ import annotations

import re

# Word -> what to write here. Checked against KerasTuner 1.4, W&B sweeps, Ray Tune 2, Optuna 5.
WORDS = {
    "acc": "accuracy, of the validation part val_accuracy",
    "val_acc": "val_accuracy",
    "search.objective": "metric, at the top of the file",
    # hyperparameters
    "lr": "learning_rate",
    "units": "hidden_units, a list for each network: [[64], [64, 64]]",
    "num_layers": "hidden_units or filters, whose lists have as many numbers as there are layers",
    "n_layers": "hidden_units or filters, whose lists have as many numbers as there are layers",
    "dropout_rate": "dropout",
    "batch": "batch_size",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "monitor": "early_stopping_metric",
    "patience": "early_stopping_patience",
    "min_delta": "early_stopping_min_delta",
    "kernel_initializer": "initializer",
    "kernel_regularizer": "regularizer, with regularizer_strength",
    "seeds": "search.replicates",
    # the search
    "parameters": "[space]",
    "param_space": "[space]",
    "search_space": "[space]",
    "hyperparameters": "[space]",
    "params": "[fixed] and [space]",
    "config": "[fixed] and [space]",
    "method": "search.sampler or search.design",
    "algorithm": "search.sampler",
    "search_alg": "search.sampler",
    "tuner": "search.sampler",
    "scheduler": "search.pruner",
    "early_terminate": "search.pruner",
    "max_trials": "search.n_trials",
    "num_samples": "search.n_trials",
    "run_cap": "search.n_trials",
    "count": "search.n_trials",
    "time_budget_s": "search.timeout",
    "executions_per_trial": "search.replicates",
    "goal": "direction",
    "mode": "direction",
    "project_name": "name",
    "study_name": "name",
    "objective_metric": "metric",
    "n_jobs": "the option -j of hpo run",
    "max_concurrent_trials": "the option -j of hpo run",
    "max_t": 'max_resource, as in pruner = { name = "hyperband", max_resource = 10 }',
    "data_set": "dataset",
    "grid": 'design = "grid"',
    "taguchi": 'design = "orthogonal"',
    "bayes": "tpe",
    "BayesianOptimization": "tpe",
    "RandomSearch": "random",
    "GridSearch": 'design = "grid"',
    "RandomSampler": "random",
    "TPESampler": "tpe",
    "GridSampler": 'design = "grid"',
    "CmaEsSampler": "cmaes",
    "QMCSampler": "qmc",
    "GPSampler": "gp",
    "NopPruner": "none",
    "MedianPruner": "median",
    "PercentilePruner": "percentile",
    "PatientPruner": "patient",
    "ThresholdPruner": "threshold",
    "SuccessiveHalvingPruner": "successive_halving",
    "HyperbandPruner": "hyperband",
    "WilcoxonPruner": "wilcoxon",
    "ASHAScheduler": "successive_halving",
    "asha": "successive_halving",
    "Hyperband": "hyperband",
}

# The same, where the value of `direction` is asked for.
DIRECTIONS = {"max": "maximize", "min": "minimize"}

# What is a tuner or a search of its own elsewhere, where the value of `sampler` is asked for.
_PRUNERS = ("hyperband", "successive_halving", "median", "percentile", "patient", "threshold")
PRUNERS = {
    word: f'pruner = "{WORDS.get(word, word)}"'
    for word in (*_PRUNERS, *WORDS)
    if WORDS.get(word, word) in _PRUNERS
}


def hint(key: str, message: str) -> str:
    """Return what a word of another tool is called here, where an error is about such a word.

    Args:
        key: The key of the line with the mistake.
        message: What is wrong with it.
    """
    if "an option of" in message:  # of one sampler or pruner: the table is about other places
        return ""
    if "one of" not in message:  # not about an unknown word
        return ""
    received = re.findall(r"[\w-]+", message.partition("Received: ")[2].partition(". ")[0])
    name = key.rpartition(".")[2]
    if name == "direction":  # of a value: "max" as a key is the end of a range
        words = DIRECTIONS
    elif name == "sampler":
        words = WORDS | PRUNERS
    else:
        words = WORDS
    for word in (key, name, *received):
        if word in words:
            return f"What other tools call {word!r} is here: {words[word]}."
    return ""


def without_guess(message: str) -> str:
    """Return a message without the name of similar spelling: the word of another tool is known."""
    return re.sub(r" Did you mean [^?]*\?", "", message)
