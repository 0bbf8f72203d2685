"""What the rules leave in the ledger: their texts, the meters that count by them, the periods they count in."""
