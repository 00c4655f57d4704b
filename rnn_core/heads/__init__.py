"""Heads: what the logits mean, which loss they have, and how they are measured."""

from __future__ import annotations

from rnn_core.heads.base import Head
from rnn_core.heads.binary_class import BinaryClassHead
from rnn_core.heads.generalized import LogisticRegressionHead, PoissonRegressionHead
from rnn_core.heads.multi_class import MultiClassHead
from rnn_core.heads.multi_head import MultiHead
from rnn_core.heads.multi_label import MultiLabelHead
from rnn_core.heads.regression import RegressionHead
from rnn_core.heads.sequential import SequentialHeadWrapper

__all__ = [
    "BinaryClassHead",
    "Head",
    "LogisticRegressionHead",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "PoissonRegressionHead",
    "RegressionHead",
    "SequentialHeadWrapper",
]
