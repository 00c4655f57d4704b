"""Parts of a network beside its recurrent layers, each on stock TensorFlow operations."""
