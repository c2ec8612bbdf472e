"""Published tables and figures, regenerated from NAS tables: what ``mpnas reproduce`` does.

A study (`registry.STUDIES`) names the units of work that it needs and how its page reads. A unit (`units`) is one
meta-training and its evaluation on held-out tasks; units run side by side on Ray (`running`), each leaves one file, and
studies share them.
"""
