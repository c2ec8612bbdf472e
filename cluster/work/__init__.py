"""Do long work in items: each leaves a file, those that are missing are computed on Ray, and nothing is done twice.

`items` says what an item of work is and where its result is kept, `running` computes the missing ones, `pool` does so
side by side on Ray with a `display` of how far they are.
"""
