"""The paper, whole: Table 1, Fig. 2, Fig. 3 and the three strategies on one cohort, by one resumable command."""
