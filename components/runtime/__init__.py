"""How code runs here: its fingerprint, quiet libraries, subprocesses."""
