"""The names of the user attributes that `studies` stores in the database.

Those of `storage` stand in storage/study_attributes.py. The names never change, since studies of
earlier versions have them.
"""

# Of a study.
DEFINITION_KEY = "definition"  # as JSON; written last, so that it marks a complete study
ARTIFACTS_KEY = "artifacts"  # the absolute path of the folder of its networks and checkpoints
VERSIONS_KEY = "versions"  # library -> version when it was made
CREATED_KEY = "created_at"  # tells a study from a deleted one of the same name
DATA_KEY = "data_sha256"  # of the data of its first trials; each trial also has its own
ENCODING_KEY = "data_encoding"  # what its pixels are divided by, and the label of each class
ARRAY_KEY = "orthogonal_array"  # of a study of that design: which one, and how many runs
ORIGIN_KEY = "fixed_from"  # study, trial and setting that [fixed] from has named
DEFAULTS_KEY = "defaults"  # of its objective's hyperparameters when it was made
CODE_KEY = "code"  # of a network that a user builds: studies/definition/code.py::CodeRecord
CONFIRMS_KEY = (
    "confirms"  # which study's best settings it trains anew: results/confirmed/link.py::Link
)
TRANSFERS_KEY = "transfers"  # a search on other data for a transfer: its search, and these data
TRANSFERRED_KEY = "transferred"  # which settings it trains on other data: TransferLink
ADDED_SEEDS_KEY = "added_seeds"  # of known settings: studies/designs/added_seeds.py::AddedSeeds
RERUN_STUDY_KEY = "reruns_of"  # of one that keeps repetitions: name and mark of the searched one
PREDICTED_KEY = "predicted"  # of a study of what effects predict: confirmation/predicted.py
TESTED_KEY = "confirmed_on_test"  # the values of its settings there: confirmation/on_test.py
HOLDOUT_KEY = "test_look:"  # prefix; one attribute for each evaluation on the holdout

# Of each trial of a network that a user builds.
CODE_SHA256_KEY = "code_sha256"  # of the code that has built it


# Of a trial.
TRAIN_SECONDS_KEY = "train_seconds"  # that it took, compilation included
# In how many lanes of one program it trained: [[1, 8], [13, 4]] is 8 from epoch 1, 4 from 13 on.
LANES_KEY = "lanes"
SEED_STD_KEY = "seed_std"  # the standard deviation of its values, where it has several seeds
COMPILE_SECONDS_KEY = "compile_seconds"  # how many of these were for compiling programs

# Of a trial that was made again, in the study of such.
RERUN_KEY = "rerun_of"  # the number of the trial that it repeats
VERDICT_KEY = "rerun_verdict"  # how far both agree: studies/statistics/agreement.py

# Of a study with TPE and of each of its trials.
SAMPLER_KEY = "sampler"  # which TPE it is: see studies/samplers/tpe_variant.py
