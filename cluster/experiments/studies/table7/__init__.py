"""Table 7 of MP-NAS: networks found by training candidates on a task, beside known networks and DASH.

`methods` says what is compared on which task, `searching` does the searches, `reproduce` all the work and the files,
`replaying` the same searches on our own table for more seeds, `page` writes what came out.
"""
