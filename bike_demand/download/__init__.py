"""Bytes over HTTP, and what can go wrong on the way. What they mean is not known here."""
