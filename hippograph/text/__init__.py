"""Names, tokens, sentences and chunks: text in any script, without a model."""
