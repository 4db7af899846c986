"""Bad input: a corpus of good and hostile files, mutations of them, a guarded process that reads them, and the campaign."""
