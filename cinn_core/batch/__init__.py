"""Batch analysis of many stars: from files, tables and stacks to Parquet partitions, killed and resumed at will, on one machine or many."""
