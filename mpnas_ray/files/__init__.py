"""Read text and JSON that anybody may have written or damaged."""
