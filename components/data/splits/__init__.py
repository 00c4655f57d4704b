"""How the rows are split: by their ids, groups or times; and what becomes of rare labels."""
