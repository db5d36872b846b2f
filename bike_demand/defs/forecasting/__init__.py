"""What is to come: forecasts of every hour, and risks."""
