"""Models of each day, and which of them reigns."""
