"""What is legal (configs), what is searched (spaces), what is tried first (anchors), who competes (arms). No torch, no Ray."""
