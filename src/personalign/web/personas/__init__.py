"""From finished answers to a persona that is kept sealed, and loaded when it is to speak."""
