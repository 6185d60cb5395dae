"""Mercato, a vendor that does not exist: the files that CONTRIBUTING.md adds to the package, one after the other."""
