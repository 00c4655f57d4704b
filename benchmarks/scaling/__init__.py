"""What many workers bring: measured here with processes of one core each, and on paper for more."""
