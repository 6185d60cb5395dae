"""Transfers that bring orders to where analysts find them."""
