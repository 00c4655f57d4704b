"""One test for each promise of the API page of ``tf.estimator.experimental.RNNClassifier``.

A module for each part of the page, in its order; the name of a test says the promise.
"""
