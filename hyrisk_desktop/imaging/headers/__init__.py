"""What a DICOM header says: tags, layout, attributes, kernels, and the one table of kinds."""
