"""Networks, and the engine that runs them."""
