"""From status to what models learn from: features, and demand by the hour."""
