"""The predictor study: how well each method ranks, against what it costs to set up and to ask (White et al. 2021).

`targets` says what is judged and on which architectures, `judging` does one method on one target with one seed and
leaves a file, `reproduce` all of them and the files of the study, `page` and `pictures` write what came out.
"""
