"""How answers are taken from passages as they stand: kinds, candidates, comparisons, and what speaks for each."""
