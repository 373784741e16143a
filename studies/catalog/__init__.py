"""The studies that ship with hpo: one TOML file each, its head comment telling what it is."""
