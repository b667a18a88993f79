"""What made the weights and the numbers; run from a checkout, never imported by the product."""
