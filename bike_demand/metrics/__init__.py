"""Numbers for machines: what Prometheus scrapes.

Read anew at each scrape, from the warehouse and from Dagster's storage, and kept nowhere: what a
number was yesterday Prometheus knows. Which there are stands in `declared`, where they come from in
`stored` and `runs`, the scrape in `collector`, and the command in `serve`.
"""
