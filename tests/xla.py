"""Flags of XLA with which programs are compiled faster, and run slower."""

# Each part of a program that is compiled in a thread of its own repeats work of the others.
ONE_PART = "--xla_cpu_parallel_codegen_split_count=1"
FAST_XLA = f"{ONE_PART} --xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=1"
FASTEST_XLA = f"{ONE_PART} --xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
