"""What is built in TensorFlow graphs: checks, loops over steps, variables, sums."""
