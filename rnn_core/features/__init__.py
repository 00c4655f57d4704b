"""From named features to the tensors that the network reads."""
