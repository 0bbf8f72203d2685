-- Schema 26: a catalogue that was put back from an older copy is told again who was erased, so they are kept. `told` is
-- whether it knows. A pseudonym of somebody erased leads to nobody; entries have it for ever.
ALTER TABLE forgotten ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1));
