"""Train supernets side by side as trials of one Tune run: ``mpnas supernet``."""
