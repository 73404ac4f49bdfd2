"""Campaigns: many planned faults on a board, each judged by stated invariants."""
