"""Write Markdown pages."""
