"""What a network sees: probes for the phantoms' known factors, what each adds to the risk, and what happens when one alone is changed."""
