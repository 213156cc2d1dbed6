"""A person's answers to a persona, by one of several methods, and predictors to beat."""
