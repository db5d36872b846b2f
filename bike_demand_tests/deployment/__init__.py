"""The deployment, without Docker."""
