"""Servers to test against, each a process of its own on the loopback."""
