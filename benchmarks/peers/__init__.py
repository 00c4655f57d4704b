"""Training steps of rnn_core beside those of others, from the same weights and the same data."""
