"""Everything that touches disk: the catalog (SQLite) and the snapshots (memory-mapped arrays)."""
