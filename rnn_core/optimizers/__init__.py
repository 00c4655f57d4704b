"""The optimizers, with the steps and the state of TensorFlow 2.15."""
