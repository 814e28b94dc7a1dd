"""The items of TRIPOD+AI (Collins et al. 2024): what this report gives of each, and what only the site can add. In our own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyrisk_desktop.i18n import tr, trn

SITE = "site"
REPORT = "report"


def items(results: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Number, item, who fills it in (`REPORT` or `SITE`), and what is there or what the site should write.

    Args:
        results: of the validation.
    """
    m, n, deaths = results["model"], results["n"], results["non_survivors"]
    recalibrated = "heads" in results["recalibration"]
    yield (
        "1",
        tr("Title"),
        REPORT,
        tr("External validation of {name} for all-cause mortality from chest CT", name=m["name"]),
    )
    yield "2", tr("Abstract"), SITE, tr("A structured abstract; the figures are below.")
    yield "3a", tr("Healthcare context and rationale"), SITE, tr("Why the risk is wanted here, and what is used today.")
    yield "3b", tr("Target population and intended use"), SITE, tr("Who would be read, by whom, and what follows. The program itself is for research only.")  # fmt: skip
    yield (
        "3c",
        tr("Known health inequalities"),
        SITE,
        tr("Between which groups of the target population they are known."),
    )
    yield (
        "4",
        tr("Objectives"),
        REPORT,
        tr("Validation of an unchanged model, and an update of its intercept and slope."),
    )
    yield "5a", tr("Sources of data"), SITE, tr("Where exams and outcomes come from, and why these represent the target population.")  # fmt: skip
    yield "5b", tr("Dates"), SITE, tr("First and last scan, end of follow-up.")
    yield "6a", tr("Setting"), SITE, tr("Hospitals, scanners, screening round.")
    yield "6b", tr("Eligibility"), SITE, tr("Who was taken and who was left out, with numbers.")
    yield "6c", tr("Treatments"), SITE, tr("What was given meanwhile, statins for example.")
    yield "7", tr("Data preparation"), REPORT, tr("The program's own reading of every exam, the same for all; see the model card for the network's input.")  # fmt: skip
    yield "8a", tr("Outcome and its horizon"), SITE, tr("Death from any cause until when, and how it was ascertained.")
    yield "8b", tr("Who assessed the outcome"), SITE, tr("Needed where judgement was involved.")
    yield "8c", tr("Blinding of the outcome"), SITE, tr("Whether readers of the CT could know it.")
    yield "9a", tr("Choice of predictors"), REPORT, tr("Image patch around the heart centre and {score}; nothing else.", score=_score(m))  # fmt: skip
    yield "9b", tr("Definition of predictors"), REPORT, tr("Heart centre clicked; score as in the program's manual.")
    yield "9c", tr("Who assessed the predictors"), SITE, tr("Readers who clicked and graded, and whether they knew the outcome.")  # fmt: skip
    yield "10", tr("Sample size"), REPORT, tr("{n} exams, {deaths} non-survivors. Whether that is enough: 100 or more of either outcome are asked for.", n=n, deaths=deaths)  # fmt: skip
    yield "11", tr("Missing data"), REPORT, trn("{n} exam without a grade; HyRiskNet is judged only where nobody lacks one. Exams that could not be read stop the validation.", "{n} exams without a grade; HyRiskNet is judged only where nobody lacks one. Exams that could not be read stop the validation.", results["missing_grades"])  # fmt: skip
    yield "12a-d", tr("How the model was made"), REPORT, tr("In the model card of {name}.", name=m["name"])
    yield "12e", tr("Measures of performance"), REPORT, tr("AUC with bootstrap interval over patients, DeLong differences, calibration line and curve, Brier score, net benefit.")  # fmt: skip
    yield "12f", tr("Model updating"), REPORT, _update(results)
    yield "12g", tr("How predictions were computed"), REPORT, tr("By the installed bundle {sha}, unchanged.", sha=m["bundle_sha256"][:16])  # fmt: skip
    yield (
        "13",
        tr("Class imbalance"),
        REPORT,
        tr("{share:.0f} % non-survivors; no case was weighted.", share=100 * deaths / n),
    )
    yield "14", tr("Fairness"), REPORT, tr("Subgroups below, as far as the table tells them; add those that matter here (sex, age, race) as columns.")  # fmt: skip
    yield "15", tr("Output of the model"), REPORT, tr("A risk between 0 and 1 and its interval; no threshold is set. Some risks are withheld, with the reason.")  # fmt: skip
    yield "16", tr("Differences from the training data"), SITE, tr("Compare with the model card: population, outcome, scanners.")  # fmt: skip
    yield "17", tr("Ethical approval"), SITE, tr("Committee, number, consent.")
    yield "18a", tr("Funding"), SITE, tr("Source, and its part in the study.")
    yield "18b", tr("Conflicts of interest"), SITE, tr("Of all authors.")
    yield "18c", tr("Study protocol"), SITE, tr("Where it can be read, or that there is none.")
    yield "18d", tr("Registration"), SITE, tr("Register and number, or that there is none.")
    yield "18e", tr("Availability of data"), SITE, tr("Of the exams and the table.")
    yield "18f", tr("Availability of code"), REPORT, tr("HyRisk Desktop {version}; validation.json beside this page holds every number.", version=results["program"])  # fmt: skip
    yield "19", tr("Patients and the public"), SITE, tr("How they took part, or that they did not.")
    yield "20a", tr("Flow of participants"), SITE, tr("From those screened to the {n} here.", n=n)
    yield "20b", tr("Characteristics"), SITE, tr("Age, sex and risk factors; kernels and increments are below.")
    yield (
        "20c",
        tr("Comparison with the development data"),
        SITE,
        tr("Of predictors and outcome, beside the model card."),
    )
    yield "21", tr("Model development"), REPORT, tr("None: nothing of the network was changed.")
    yield "22", tr("Specification of the model"), REPORT, tr("The bundle: weights, description and card, SHA-256 {sha}.", sha=m["sha256"][:16])  # fmt: skip
    yield "23a", tr("Performance with intervals"), REPORT, tr("Below.")
    yield "23b", tr("Heterogeneity between clusters"), REPORT, tr("By kernel and increment below; by site where the table names it.")  # fmt: skip
    yield "24", tr("Results of the update"), REPORT, tr("Below, before and after.") if recalibrated else tr("None.")
    yield "25", tr("Interpretation"), SITE, tr("What the figures mean here, also against the plain scores.")
    yield "26", tr("Limitations"), SITE, tr("Begin with the cautions at the head of this page.")
    yield "27a", tr("Poor or missing input"), REPORT, tr("{share:.0f} % of the risks are withheld; the reasons are below.", share=100 * results["guard"]["withheld"]["share"])  # fmt: skip
    yield "27b", tr("Handling by users"), SITE, tr("Who clicks and grades, and what training they need.")
    yield "27c", tr("Next steps"), SITE, tr("What must be shown before anybody relies on it.")


def _score(model: dict[str, Any]) -> str:
    return tr("the region Agatston") if model["score_input"] == "agatston" else tr("the visual grade 0-3")


def _update(results: dict[str, Any]) -> str:
    found = results["recalibration"]
    if "heads" not in found:
        return str(found.get("refused", ""))
    return tr("Intercept and slope by logistic regression on {n} cases; {k}-fold cross-validation, patients kept together.",
              n=found["n"], k=found["folds"])  # fmt: skip
