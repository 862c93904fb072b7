"""Reading data sets, and turning their problems into rows that TRL trains on."""
