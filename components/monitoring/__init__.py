"""What is served: a log of requests and answers, and what it says of the model by now."""
