"""Where orders can be written."""
