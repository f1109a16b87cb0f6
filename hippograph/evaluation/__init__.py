"""Questions with gold passages in, measures out."""
