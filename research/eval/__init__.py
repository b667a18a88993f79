"""See docs/topics/architecture.md."""
