"""How good the models are that `rnnflow init` and `run` make, beside cheap baselines."""
