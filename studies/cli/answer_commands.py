"""The commands that say how sure an answer is."""

from __future__ import annotations

import typer

answers = typer.Typer()
