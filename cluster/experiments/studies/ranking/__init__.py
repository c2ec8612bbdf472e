"""Studies of rank correlations: meta-learn from the sources of a fold, rank its targets, and set methods side by side.

A study (`study`) names the units of work that it needs and how its page reads. A unit (`units`) is one meta-training
of a method (`methods`) and its evaluation on held-out tasks; studies share units. `rows` holds what was measured,
`pages` and `plots` show it.
"""
