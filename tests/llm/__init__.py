"""Tests with a real language model, SmolLM2-135M on llama.cpp: protocol and accounting, never content."""
