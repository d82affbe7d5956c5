"""Training one trial: the loop, its curricula and rates, data, networks, and the trainable that Ray runs."""
