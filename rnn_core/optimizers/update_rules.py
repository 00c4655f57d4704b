"""How each kind of optimizer moves a variable, dense or by rows, as Keras on TensorFlow 2.15 did.

Each rule names its hyper-parameters and slots as they are saved, and has two functions: ``dense``
takes a gradient of the variable's shape, ``sparse`` takes rows and their distinct indices.
References: Duchi et al. 2011 (Adagrad), Kingma and Ba 2015 (Adam), McMahan et al. 2013 (Ftrl),
Hinton 2012 (RMSprop), Sutskever et al. 2013 (momentum).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import tensorflow as tf

Values: TypeAlias = Mapping[str, Any]
"""By name the settings, floats and bools, and the hyper-parameters as float32 scalars, with
``step``, the number of this step from 1 on."""
Slots: TypeAlias = Mapping[str, tf.Variable]
raw: Final = tf.raw_ops


@dataclasses.dataclass(frozen=True)
class Rule:
    """One kind of optimizer."""

    name: str
    """Of its Keras class, which is part of the names of its state in a checkpoint."""
    hypers: tuple[str, ...]
    """Hyper-parameters that a checkpoint holds, besides ``learning_rate`` and ``decay``."""
    slots: Callable[[Values], dict[str, float]]
    """Slot names with their initial value, for the settings."""
    dense: Callable[[tf.Variable, Slots, tf.Tensor, Values], None]
    sparse: Callable[[tf.Variable, Slots, tf.Tensor, tf.Tensor, Values], None]


def _adagrad_dense(variable: tf.Variable, slots: Slots, gradient: tf.Tensor, at: Values) -> None:
    # a += g^2; w -= lr * g / (sqrt(a) + epsilon)
    raw.ResourceApplyAdagradV2(
        var=variable.handle,
        accum=slots["accumulator"].handle,
        lr=at["learning_rate"],
        epsilon=at["epsilon"],
        grad=gradient,
    )


def _adagrad_sparse(
    variable: tf.Variable, slots: Slots, rows: tf.Tensor, indices: tf.Tensor, at: Values
) -> None:
    raw.ResourceSparseApplyAdagradV2(
        var=variable.handle,
        accum=slots["accumulator"].handle,
        lr=at["learning_rate"],
        epsilon=at["epsilon"],
        grad=rows,
        indices=indices,
    )


def _adam_slots(settings: Values) -> dict[str, float]:
    slots = {"m": 0.0, "v": 0.0}
    return {**slots, "vhat": 0.0} if settings["amsgrad"] else slots


def _adam_dense(variable: tf.Variable, slots: Slots, gradient: tf.Tensor, at: Values) -> None:
    # m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g^2
    # w -= lr * sqrt(1 - b2^step) / (1 - b1^step) * m / (sqrt(v) + epsilon)
    # AMSGrad divides by the largest v so far, vhat, in place of v.
    arguments: dict[str, Any] = {
        "var": variable.handle,
        "m": slots["m"].handle,
        "v": slots["v"].handle,
        "beta1_power": tf.pow(at["beta_1"], at["step"]),
        "beta2_power": tf.pow(at["beta_2"], at["step"]),
        "lr": at["learning_rate"],
        "beta1": at["beta_1"],
        "beta2": at["beta_2"],
        "epsilon": at["epsilon"],
        "grad": gradient,
    }
    if "vhat" in slots:
        raw.ResourceApplyAdamWithAmsgrad(vhat=slots["vhat"].handle, **arguments)
    else:
        raw.ResourceApplyAdam(**arguments)


def _adam_sparse(
    variable: tf.Variable, slots: Slots, rows: tf.Tensor, indices: tf.Tensor, at: Values
) -> None:
    # As _adam_dense, written out: no operation of TensorFlow takes rows. The moments of rows that
    # have no gradient decay too, and so these rows move as well: 2.15 was not "lazy" either.
    beta_1, beta_2 = at["beta_1"], at["beta_2"]
    first = slots["m"].assign(slots["m"] * beta_1)
    first = slots["m"].scatter_add(tf.IndexedSlices(rows * (1 - beta_1), indices))
    second = slots["v"].assign(slots["v"] * beta_2)
    second = slots["v"].scatter_add(tf.IndexedSlices(rows * rows * (1 - beta_2), indices))
    if "vhat" in slots:
        second = slots["vhat"].assign(tf.maximum(slots["vhat"], second))
    correction = tf.sqrt(1 - tf.pow(beta_2, at["step"])) / (1 - tf.pow(beta_1, at["step"]))
    change = at["learning_rate"] * correction * first / (tf.sqrt(second) + at["epsilon"])
    variable.assign_sub(change)


def _ftrl_arguments(variable: tf.Variable, slots: Slots, at: Values) -> dict[str, Any]:
    return {
        "var": variable.handle,
        "accum": slots["accumulator"].handle,
        "linear": slots["linear"].handle,
        "lr": at["learning_rate"],
        "l1": at["l1_regularization_strength"],
        # beta is a constant in the denominator of the learning rate of each coordinate, which
        # comes to the same as this much more of L2 (McMahan et al. 2013, algorithm 1).
        "l2": at["l2_regularization_strength"] + at["beta"] / (2 * at["learning_rate"]),
        "l2_shrinkage": at["l2_shrinkage_regularization_strength"],
        "lr_power": at["learning_rate_power"],
    }


def _ftrl_dense(variable: tf.Variable, slots: Slots, gradient: tf.Tensor, at: Values) -> None:
    # With n the accumulator, z the linear slot, p the power (-1/2 by default), no shrinkage:
    #   sigma = ((n + g^2)^-p - n^-p) / lr; z += g - sigma * w; n += g^2
    #   w = (sign(z) * l1 - z) / (n^-p / lr + 2 * l2) where |z| > l1, else 0
    raw.ResourceApplyFtrlV2(grad=gradient, **_ftrl_arguments(variable, slots, at))


def _ftrl_sparse(
    variable: tf.Variable, slots: Slots, rows: tf.Tensor, indices: tf.Tensor, at: Values
) -> None:
    arguments = _ftrl_arguments(variable, slots, at)
    raw.ResourceSparseApplyFtrlV2(grad=rows, indices=indices, **arguments)


def _rmsprop_slots(settings: Values) -> dict[str, float]:
    slots = {"rms": 0.0}
    if settings["momentum"]:
        slots["momentum"] = 0.0
    if settings["centered"]:
        slots["mg"] = 0.0
    return slots


def _rmsprop_arguments(variable: tf.Variable, slots: Slots, at: Values) -> dict[str, Any]:
    arguments = {
        "var": variable.handle,
        "ms": slots["rms"].handle,
        "mom": slots["momentum"].handle,
        "lr": at["learning_rate"],
        "rho": at["rho"],
        "momentum": at["momentum"],
        "epsilon": at["epsilon"],
    }
    return {**arguments, "mg": slots["mg"].handle} if "mg" in slots else arguments


def _rmsprop_dense(variable: tf.Variable, slots: Slots, gradient: tf.Tensor, at: Values) -> None:
    if "momentum" in slots:
        apply = raw.ResourceApplyCenteredRMSProp if "mg" in slots else raw.ResourceApplyRMSProp
        apply(grad=gradient, **_rmsprop_arguments(variable, slots, at))
        return
    # ms = rho * ms + (1 - rho) * g^2; w -= lr * g / (sqrt(ms) + epsilon). Centered: mg, the same
    # mean of g, and ms - mg^2, the variance, under the root. The operations that are taken with
    # momentum have epsilon inside of the root, sqrt(ms + epsilon): 2.15 had this difference too.
    rho = at["rho"]
    squares = slots["rms"].assign(rho * slots["rms"] + (1 - rho) * gradient * gradient)
    if "mg" in slots:
        mean = slots["mg"].assign(rho * slots["mg"] + (1 - rho) * gradient)
        squares = squares - mean * mean
    variable.assign_sub(at["learning_rate"] * gradient / (tf.sqrt(squares) + at["epsilon"]))


def _rmsprop_sparse(
    variable: tf.Variable, slots: Slots, rows: tf.Tensor, indices: tf.Tensor, at: Values
) -> None:
    if "momentum" in slots:
        centered = "mg" in slots
        apply = (
            raw.ResourceSparseApplyCenteredRMSProp if centered else raw.ResourceSparseApplyRMSProp
        )
        apply(grad=rows, indices=indices, **_rmsprop_arguments(variable, slots, at))
        return
    squares = _decayed(slots["rms"], rows * rows, indices, at["rho"])
    if "mg" in slots:
        mean = _decayed(slots["mg"], rows, indices, at["rho"])
        squares = squares - mean * mean
    # Unlike Adam's, rows without a gradient stay: only their means decay.
    change = -at["learning_rate"] * rows / (tf.sqrt(squares) + at["epsilon"])
    variable.scatter_add(tf.IndexedSlices(change, indices))


def _decayed(slot: tf.Variable, rows: tf.Tensor, indices: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
    """Decays the whole slot, adds to the rows, and gives those rows."""
    slot.assign(slot * rho)
    return tf.gather(slot.scatter_add(tf.IndexedSlices(rows * (1 - rho), indices)), indices)


def _sgd_dense(variable: tf.Variable, slots: Slots, gradient: tf.Tensor, at: Values) -> None:
    if "momentum" not in slots:
        raw.ResourceApplyGradientDescent(
            var=variable.handle, alpha=at["learning_rate"], delta=gradient
        )
        return
    # v = momentum * v - lr * g; w += v, or with Nesterov w += momentum * v - lr * g
    raw.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=slots["momentum"].handle,
        lr=at["learning_rate"],
        grad=gradient,
        momentum=at["momentum"],
        use_nesterov=at["nesterov"],
    )


def _sgd_sparse(
    variable: tf.Variable, slots: Slots, rows: tf.Tensor, indices: tf.Tensor, at: Values
) -> None:
    if "momentum" not in slots:
        variable.scatter_sub(tf.IndexedSlices(at["learning_rate"] * rows, indices))
        return
    raw.ResourceSparseApplyKerasMomentum(
        var=variable.handle,
        accum=slots["momentum"].handle,
        lr=at["learning_rate"],
        grad=rows,
        indices=indices,
        momentum=at["momentum"],
        use_nesterov=at["nesterov"],
    )


_FTRL_HYPERS: Final = (
    "learning_rate_power",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "beta",
)

ADAGRAD: Final = Rule(
    "Adagrad",
    (),
    lambda settings: {"accumulator": settings["initial_accumulator_value"]},
    _adagrad_dense,
    _adagrad_sparse,
)
ADAM: Final = Rule("Adam", ("beta_1", "beta_2"), _adam_slots, _adam_dense, _adam_sparse)
FTRL: Final = Rule(
    "Ftrl",
    _FTRL_HYPERS,
    lambda settings: {"accumulator": settings["initial_accumulator_value"], "linear": 0.0},
    _ftrl_dense,
    _ftrl_sparse,
)
RMSPROP: Final = Rule(
    "RMSprop", ("rho", "momentum"), _rmsprop_slots, _rmsprop_dense, _rmsprop_sparse
)
SGD: Final = Rule(
    "SGD",
    ("momentum",),
    lambda settings: {"momentum": 0.0} if settings["momentum"] else {},
    _sgd_dense,
    _sgd_sparse,
)
