"""What works behind the window: jobs, loading, risk, explanation, store."""
