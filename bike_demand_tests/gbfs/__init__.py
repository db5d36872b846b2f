"""Tests of the GBFS client: its parser on small and on recorded payloads, its HTTP on loopback."""
