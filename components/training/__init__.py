"""Examples become a trained model."""
