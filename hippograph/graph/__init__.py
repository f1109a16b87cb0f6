"""Pure NumPy and SciPy over CSR arrays: the knowledge graph and the walks on it."""
