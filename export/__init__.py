"""Checkpoint to deployable models. Part of the repository, not of the installed package."""
