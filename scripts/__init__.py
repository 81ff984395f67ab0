"""Programs that only developers run: measurements, rehearsals, fuzzing."""
