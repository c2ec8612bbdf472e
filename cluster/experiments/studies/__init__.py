"""Published tables and figures, regenerated: what ``mpnas reproduce`` does.

All studies are in `registry.STUDIES`, behind the interface of `study.Study`: `tables` has those of rank correlations,
`table7` that of trained networks, `predictors` that of White et al.
"""
