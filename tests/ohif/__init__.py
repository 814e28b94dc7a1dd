"""What OHIF shows of an exam with its reports: a story with OHIF's own build, run by hand."""
