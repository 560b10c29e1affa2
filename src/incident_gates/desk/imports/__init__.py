"""Fills a record from what other tools say: one module a source, ``kinds.yaml`` lists them."""
