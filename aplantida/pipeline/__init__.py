"""The frame: config, artifacts, fingerprints, skip / resume / refuse, graph and command line. It knows no science."""
