"""TensorFlow for networks of tests: half of their time was preparation, and threads that wait.

Only the process that runs tests has it so; children of workers train as users have it.
"""

import os
import sys
from contextlib import suppress

# Read as TensorFlow begins, which it does as some tests are imported. So small an operation is done
# before a second thread has begun with its share.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def begin_imports() -> None:
    """Let TensorFlow begin with one thread."""
    os.environ.update(dict.fromkeys(THREADS, "1"))


def end_imports() -> None:
    """Run graphs as they were traced, and leave the threads of children alone.

    Grappler rewrites each graph before it first runs, which takes longer than a test's graph runs.
    """
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        with suppress(RuntimeError):  # it has begun, and has read the environment
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    for name in THREADS:
        os.environ.pop(name, None)
