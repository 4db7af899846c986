"""Output: JSON documents, tables, zip files of single stars, verdicts, citation."""
