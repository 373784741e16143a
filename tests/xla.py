"""Flags of XLA with which programs are compiled faster, and run slower."""

FAST_XLA = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=1"
FASTEST_XLA = "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
