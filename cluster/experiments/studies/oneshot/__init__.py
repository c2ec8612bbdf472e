"""Studies of one-shot methods: chosen cells, agreement of scores with measured ones, and cost.

`skip_conv` is a space of 64 cells that can all be trained, `supernets` trains a supernet as a unit of work, and each
study has a module that does its work and one that writes its page.
"""
