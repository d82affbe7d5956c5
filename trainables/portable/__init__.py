"""A trained network as a file that travels: what it says of itself, and how it is loaded where no data are."""
