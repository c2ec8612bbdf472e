"""Read files that anybody may have written, and write files whole."""
