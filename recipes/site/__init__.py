"""What is made for the site before it is shipped."""
