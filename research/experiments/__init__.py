"""Experiments: one command each, from a checkout."""
