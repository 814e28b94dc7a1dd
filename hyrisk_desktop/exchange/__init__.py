"""What leaves the program, and comes back: the JSON document of a reading, DICOM SR, SEG and PDF, and FHIR."""
