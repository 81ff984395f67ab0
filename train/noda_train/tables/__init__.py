"""The paper's tables as grids of experiments: a TOML file says what is trained, `noda-train table` does it."""
