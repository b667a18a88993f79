"""Sound files and coded files: read whatever their format and damage, written whole or not at all."""
