"""Explanations for the eye: a drawing of the walk, and a page around it that needs nothing else."""
