"""The training of one network on one task: plain PyTorch, no Tune in it."""
