"""Pages in a real headless Chromium, which `make test-browser` installs."""
