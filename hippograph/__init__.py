"""Graph-based retrieval with hippocampal indexing."""
