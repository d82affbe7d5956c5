"""What a network goes by in an image: LIME, Grad-CAM, and how far explanations agree beyond chance."""
