"""The networks: timm bodies, heads, checkpoints with their card, and inference from stored photos."""
