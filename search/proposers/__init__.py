"""Who says which trial is run next: a sampler's study, or the queue of a head-to-head."""
