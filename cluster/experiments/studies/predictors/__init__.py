"""The predictor study: how well each method ranks, against what it costs to set up and to ask (White et al. 2021).

`targets` says what is judged and on which architectures, `units` does one method (`methods`) on one target with one
seed, `judging` measures it, `study` does all of them, `page` and `pictures` show what came out.
"""
