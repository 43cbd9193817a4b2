"""The training engine: nets, batches, stacks; it knows no paper."""
