"""Readers: what answers a question from the passages that a retriever finds."""
