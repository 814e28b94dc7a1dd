"""Synthetic LDCT cohorts, and the training of RiskNet and HyRiskNet on those and on real ones.

Runs as a process of its own: ``python -m model_training --help``, or ``hyrisk phantom|train|reproduce|evaluate|nlst``.

    cohort_table   the table of a cohort            patches, dataset   its pixels, cut once; batches
    config, train  one fit                          units              both stages on one fold
    folds          who is tested on whom            cross_validate     all folds, here or on a cluster
    evaluation     results, from held-out cases     figures, report    results to look at
    export, card   the model bundle                 compare            a bundle on a cohort
    reproduction   the paper, whole                 paper              what it reports
    demonstration  the bundled model from nothing   nlst               the paper's cohort from NLST's files
"""
