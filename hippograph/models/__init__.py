"""Everything that runs a model; optional packages are imported here, on first use."""
