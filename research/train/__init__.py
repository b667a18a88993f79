"""Training: data, losses, stages and the loop. Needs the extra ``[train]``."""
