"""What may be set, and where from: one settings model, read by the command line and the front door alone."""
