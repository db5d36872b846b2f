"""Speed, as ratios measured in one run. Nothing here is run by the tests."""
