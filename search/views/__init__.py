"""What a person sees of a run: lines in the terminal, pages in the browser."""
