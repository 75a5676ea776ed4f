"""Aplantida ML: from a MongoDB plant collection to a plant identifier that runs offline inside a web page."""
