"""Tasks that are made of a user's files: a folder of images, a CSV file or a NumPy archive."""
