"""The service process: the tornado application that assembles the rooms below it."""
