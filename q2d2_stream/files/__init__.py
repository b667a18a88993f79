"""Sound files and coded files: read whatever is wrong with them, written whole or not at all."""
