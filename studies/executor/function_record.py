"""What repeats a trial of a user's function: its library and device, and the files of its code."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from objectives.code.names import file_of, package_of
from studies.executor.devices import LIBRARIES, device_of, loaded_library


class FunctionRecord:
    """The record of a function, in the process that calls it.

    A file is read once, when its module has just been loaded: it may be edited later, and this
    process goes on with what it has loaded.

    Args:
        function: The function, `module:name` or `path/of/file.py:name`.
    """

    def __init__(self, function: str) -> None:
        file = file_of(function)
        self._package = package_of(function)
        self._folder = None if file is None else file.absolute().parent
        self._files: dict[str, str] = {}  # module -> SHA-256
        self._devices: dict[str, str] = {}

    def read(self) -> dict[str, Any]:
        """Return the attributes to record with a trial.

        `files_sha256` has the loaded modules of the function's package, or of those beside its
        file. `backend` is missing where the function has loaded no library that computes on a
        device.
        """
        return {**self._library(), **self.read_files()}

    def read_files(self) -> dict[str, Any]:
        """Return those attributes that are known before the function is called.

        No library is asked for its device: the function may yet choose it.
        """
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and name not in self._files and self._is_own(name):
                with suppress(OSError):  # as of a module in an archive
                    self._files[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        return {"files_sha256": dict(self._files)}

    def _is_own(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top == self._package or self._folder is None:
            return top == self._package
        file = Path(getattr(sys.modules.get(top), "__file__", None) or "/")
        return self._folder == (file.parent.parent if file.name == "__init__.py" else file.parent)

    def _library(self) -> dict[str, str]:
        backend = loaded_library()
        if backend not in LIBRARIES:
            return {"device": "cpu"}
        if backend not in self._devices:
            try:
                self._devices[backend] = device_of(backend)
            except Exception:  # whatever it is, it must not cost the result of the function
                return {"backend": backend}
        return {"backend": backend, "device": self._devices[backend]}


@cache
def record_of(function: str) -> FunctionRecord:
    """Return the one record in this process of a function."""
    return FunctionRecord(function)
