"""Indices chosen for what they sound like, by descent through the decoder: needs torch."""
