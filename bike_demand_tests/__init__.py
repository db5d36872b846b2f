"""Tests, laid out as the package is. Each name is a sentence that holds."""
