"""Commands that read and correct the books: the ledger, the holds, a source's log accepted anew."""
