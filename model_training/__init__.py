"""Synthetic LDCT cohorts and the training of HyRiskNet.

The bundled demonstration model is rebuilt from nothing by:

    python -m model_training phantom cohort -n 10500 --seed 1000000 --out work/training
    python -m model_training phantom cohort -n 2000 --seed 2000000 --out work/stage-two
    python -m model_training phantom cohort -n 1500 --seed 3000000 --out work/calibration
    python -m model_training phantom cohort -n 2000 --seed 4000000 --out work/test
    python -m model_training train work/training --phases 96:6,160:1,224:1.5 --target risk --out work/run
    python -m model_training export work/run --training work/training --stage-two work/stage-two \\
        --calibration work/calibration --test work/test --out resources/models/hyrisknet-34-demo

Every command goes on where a killed one stopped. Seeds from 5000000 are reserved for the tests.
"""
