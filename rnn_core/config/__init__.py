"""``RunConfig``, the cluster in ``TF_CONFIG``, and the kinds of strategies."""
