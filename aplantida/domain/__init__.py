"""The nouns of the project: standard library, numpy and pyarrow only."""
