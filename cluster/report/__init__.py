"""Draw what a run has found: parts of a report as HTML with inline SVG, and the page that joins them."""
