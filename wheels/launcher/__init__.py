"""rnnflow as an installed application; its packages lie in this folder (``__main__`` says how)."""
