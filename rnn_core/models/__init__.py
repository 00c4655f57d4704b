"""The models: a recurrent network with a head, or a ``model_fn``."""
