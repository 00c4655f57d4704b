"""Programs that tests start."""

from __future__ import annotations

LOAD_TENSORFLOW = "from components.runtime.libraries import load_tensorflow; load_tensorflow()\n"
"""The first line of one: as the commands load it, in half of the time that the import takes."""
