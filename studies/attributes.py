"""The names of the user attributes that `studies` stores in the database.

Those of `storage` stand in storage/study_attributes.py. A name never changes: studies made by
earlier versions have it.
"""

# Of a study.
DEFINITION_KEY = "definition"  # as JSON; written last, so that it marks a study that is whole
ARTIFACTS_KEY = "artifacts"  # the absolute path of the folder of its networks and checkpoints
VERSIONS_KEY = "versions"  # library -> version when it was made
CREATED_KEY = "created_at"  # tells a study from one of the same name that was deleted
DATA_KEY = "data_sha256"  # of the data of its first trials; each trial has its own as well
HOLDOUT_KEY = "test_look:"  # prefix, one attribute for each time that the test part was judged
