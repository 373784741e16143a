"""What a study is, as its TOML file says it: no database, no Keras."""
