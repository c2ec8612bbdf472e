"""Meta-learning: by gradient (the paper's BOIL, MAML, ANIL) and in closed form (the mixture, our default)."""
