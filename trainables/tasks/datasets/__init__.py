"""The data sets that come as tasks, a module each."""
