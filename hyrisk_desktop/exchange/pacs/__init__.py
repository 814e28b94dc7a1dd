"""The PACS: search, retrieve, receive and send, by DIMSE (pynetdicom) and DICOMweb (dicomweb-client)."""
