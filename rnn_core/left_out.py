"""The public names of TensorFlow 2.15's estimator that are left out, and what replaces each.

Nothing is imported here, so that asking for such a name does not load TensorFlow. The migration
guide has the same table, and a test compares both with the names of 2.15.1.
"""

from __future__ import annotations

from typing import Final

_KERAS: Final = "a Keras model: its features are no sequences"
_SESSION: Final = "`rnn_core.Hook`; hooks that exist import it from `tf.compat.v1.train`"

NAMES: Final = {
    **dict.fromkeys(
        (
            "BaselineClassifier",
            "BaselineEstimator",
            "BaselineRegressor",
            "DNNClassifier",
            "DNNEstimator",
            "DNNLinearCombinedClassifier",
            "DNNLinearCombinedEstimator",
            "DNNLinearCombinedRegressor",
            "DNNRegressor",
            "LinearClassifier",
            "LinearEstimator",
            "LinearRegressor",
        ),
        _KERAS,
    ),
    **dict.fromkeys(
        ("SessionRunArgs", "SessionRunContext", "SessionRunHook", "SessionRunValues"), _SESSION
    ),
    "CheckpointSaverListener": "`rnn_core.Hook` with `before_save` and `after_save`; listeners "
    "that exist import it from `tf.compat.v1.train`",
    "FeedFnHook": "the `input_fn`: there is no session to feed",
    "GlobalStepWaiterHook": "nothing: workers start together",
    "LinearSDCA": "an optimizer of Keras: only linear models use this one",
    "SecondOrStepTimer": "`Hook.every_steps`, or `tf.compat.v1.train.SecondOrStepTimer`",
    "experimental": "the same name in `rnn_core` itself",
    "call_logit_fn": "calling the function itself",
}
"""By name in ``tf.estimator`` or ``tf.estimator.experimental``: what to use."""

METHODS: Final = {
    "RunConfig.service": 'nothing: read `"service"` in `TF_CONFIG`',
}
"""Methods and properties, by class and name."""
