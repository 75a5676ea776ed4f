"""What `make demo` stands on: drawn plants, a local CDN, an embedded mongod, a yardstick, and the driver."""
