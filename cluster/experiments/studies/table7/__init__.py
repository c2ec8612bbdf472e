"""Table 7 of MP-NAS: networks found by training candidates on a task, beside known networks and DASH.

`methods` says what is compared on which task, `searching` does the searches, `replaying` the same searches on our own
table for more seeds, `measuring` all the work of a task, `study` that of all tasks, and `page` writes what came out.
"""
