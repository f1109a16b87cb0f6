"""Adapters for the frameworks that people have pipelines in; each needs an extra, and is imported by its own name."""
