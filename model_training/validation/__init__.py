"""A site's own proof: an installed model, unchanged, on the site's cohort, and its recalibration there."""
