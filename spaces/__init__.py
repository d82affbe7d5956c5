"""What is legal (configs), searched (spaces) and tried first (anchors), and who competes (arms). No torch, no Ray."""
