"""`rnnflow serve` beside other servers of the same model, in interleaved windows of load."""
