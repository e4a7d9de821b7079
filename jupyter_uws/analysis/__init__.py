"""The gamma-ray jobs that users launch; gammapy is imported inside the job's process only."""
