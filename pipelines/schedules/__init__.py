"""What a schedule does beside starting runs: it skips some, and ends those that nobody ends."""
