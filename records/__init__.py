"""What is recorded of a run: events, ledger, folder, tables, and the one reader of them, `history.RunHistory`."""
