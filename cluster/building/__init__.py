"""NAS tables of our own, what ``mpnas tables build`` does.

Architectures of a space are drawn (`mpnas_ray.tables.stratified`), each is trained on each task as one unit of work
that leaves one file (`units`), and all units go into one Parquet file (`build`, `mpnas_ray.tables.curves`).
"""
