"""Assets: what to call exported orders, so that other DAGs can wait for them."""
