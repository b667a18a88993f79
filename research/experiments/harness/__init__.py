"""What the experiments share: a codec small enough to be trained in a minute, and its results."""
