"""Every data set as one array of uint8 images, cached and memory-mapped; splits."""
