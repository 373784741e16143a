"""Which TPE chooses the points of a study: ours, or Optuna's own where ours cannot work.

Ours relies on private names of Optuna. Both sample from the same densities, but only ours samples
conditional on the structure of a pack, so that a study should not mix them unnoticed. The first
worker that chooses a point records its variant with the study, and each trial has the variant that
chose its point.
"""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary, WeakSet

import optuna

from studies.attributes import SAMPLER_KEY
from studies.samplers.optuna_internals import internals_problem

OURS = "tpe"
STOCK = "tpe (Optuna's own)"
logger = logging.getLogger(__name__)
_known: WeakKeyDictionary[optuna.Study, str] = WeakKeyDictionary()
_warned: WeakSet[optuna.Study] = WeakSet()


def tpe_variant(study: optuna.Study) -> str:
    """Return the variant of TPE with which this worker chooses the points of a study.

    This is the variant that the study began with, if it works here. A study that has none yet gets
    it recorded. Optuna's own is logged once.
    """
    if study in _known:
        return _known[study]
    problem = internals_problem("tpe")
    here = OURS if problem is None else STOCK
    began = study.user_attrs.get(SAMPLER_KEY)
    if began is None:
        # Not remembered: if two workers begin together, both then follow what was written last.
        study.set_user_attr(SAMPLER_KEY, here)
        variant = here
    else:
        variant = _known[study] = STOCK if began == STOCK else here
    if variant == STOCK and study not in _warned:
        _warned.add(study)
        _log(study, problem, mixes=began == OURS)
    return variant


def _log(study: optuna.Study, problem: str | None, *, mixes: bool) -> None:
    if problem is None:
        logger.info("study %r goes on with Optuna's own TPE, as it began", study.study_name)
        return
    logger.warning(
        "study %r%s: Optuna's own TPE chooses the points, since ours relies on what has changed "
        "in %s. The attribute %r of a trial names the TPE that chose its point.",
        study.study_name,
        ", which began with our TPE" if mixes else "",
        problem,
        SAMPLER_KEY,
    )
