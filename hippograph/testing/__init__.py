"""Public doubles, contract suites and a toy corpus for those who extend hippograph."""
