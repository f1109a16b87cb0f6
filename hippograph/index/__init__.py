"""Documents in, a published graph out: loading, extraction, synonyms, assembly."""
