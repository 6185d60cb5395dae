"""Links from a task to what it was about: the order in the back office, its document, the files, the manifest."""
