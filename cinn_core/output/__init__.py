"""What leaves: documents, records, bundles, verdicts, citation."""
