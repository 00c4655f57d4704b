"""What a label is given to: one module for each entry of ``components.label_tasks``."""
