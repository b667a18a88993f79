"""Sound files and coded files: reading, writing, and outputs that are whole or not there."""
