"""What a run does for other runs: ends those that were killed, and removes what nobody needs."""
