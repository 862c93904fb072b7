"""From a data set to what TRL trains on."""
