"""Queries in, ranked passages out: dense, lexical, hybrid and the graph walk."""
