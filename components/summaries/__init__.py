"""Numbers that sum up the sequences of a row, inside the graph that TFT learns and serving runs."""
