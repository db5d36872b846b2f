"""Tests of the weather clients: parsers on made and recorded answers, HTTP on loopback."""
