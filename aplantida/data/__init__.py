"""The collection and its photos: reading Mongo, fetching, decoding, duplicates, splits, views and batches."""
