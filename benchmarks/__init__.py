"""Speed, measured: each module prints ratios against a peer timed in the same run."""
