"""What commands have in common in what people type and read: persons, days, amounts, entries as rows."""
