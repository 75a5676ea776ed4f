"""One training loop for teachers, distillation and fine-tuning. Torch, never Ray."""
