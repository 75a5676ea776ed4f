"""The only package that imports ray: sessions, mapping over data, trainers, launching, search."""
