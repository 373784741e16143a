"""Import users' own functions, and say what is wrong with those that cannot be."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from objectives.code.names import PACKAGES, file_of
from objectives.errors import unknown_name

OURS = tuple(str(Path(__file__).parents[2] / name) for name in PACKAGES)
IMPORTS = str(Path(importlib.__file__).parent)
INSTALL_KERAS_TUNER = (
    "Install it: pip install keras-tuner, which is this service's extra keras-tuner."
)


def find_function(path: str) -> Callable[..., Any]:
    """Return the function `module:name` or `path/of/file.py:name`, imported once in this process.

    Raises:
        ImportError: The module cannot be imported; the message says why and where.
        ValueError: The module has nothing of this name.
        TypeError: What it has cannot be called.
    """
    found = find_object(path)
    if not callable(found):
        raise TypeError(
            f"Expected a function, function(trial). Received: {path}, which is of type "
            f"{type(found).__name__}."
        )
    return found  # type: ignore[no-any-return]


def find_object(path: str) -> Any:
    """Return what a module has under a name: as `find_function`, but it need not be a function."""
    module_name, _, name = path.rpartition(":")
    file = file_of(path)
    if file is None:
        module = _import(module_name)
    else:
        module = _import_file(file)
        module_name = file.stem
    if not hasattr(module, name):
        own = [key for key, each in vars(module).items() if _is_own(each, module_name)]
        known = [key for key in own if not key.startswith("_")]
        raise ValueError(str(unknown_name(f"a function of {module_name}", name, known)))
    return getattr(module, name)


def own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the user's first line on; all of it where there is none.

    What led there are the frames of this service, and those of an import.
    """
    found = frames
    while found is not None:
        file = found.tb_frame.f_code.co_filename
        if not file.startswith((*OURS, IMPORTS, "<frozen importlib")):
            return found
        found = found.tb_next
    return frames


def _import(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file there hides an installed package
    importlib.invalidate_caches()  # the file may have been made since another was looked for
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ImportError(
                "Expected a module that is in the current folder or installed. "
                f"Received: {error.name}, which is neither installed nor in {os.getcwd()}."
            ) from None
        raise _not_importable(name, error) from error
    except (Exception, SystemExit) as error:
        raise _not_importable(name, error) from error


def _import_file(file: Path) -> ModuleType:
    """Import a file under its name without .py, as a file beside it would."""
    known = sys.modules.get(file.stem)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    if known is not None:
        raise ImportError(
            f"Expected a file whose name is that of no other module. Received: {file.name}. "
            "Give it another name."
        )
    loader = _FromSource(file.stem, str(file))
    spec = importlib.util.spec_from_file_location(file.stem, file, loader=loader)
    if spec is None or not file.is_file():
        raise ImportError(f"Expected a file that is there. Received: no such file as {file}.")
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # for the modules beside it
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[file.stem]
        raise _not_importable(file.name, error) from error
    return module


class _FromSource(SourceFileLoader):
    """Compile a file each time it is imported.

    Python knows the bytecode of a file by its size and its time in whole seconds: of a file written
    twice within a second the first text may run, while a trial records the second.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def _not_importable(name: str, error: BaseException) -> ImportError:
    words = [
        "Expected a module that can be imported. Received: "
        f"{name}, which raises {type(error).__name__}: {error}{_place(error)}."
    ]
    if isinstance(error, SystemExit):
        words.append("Let it do so only if __name__ == '__main__'.")
    if isinstance(error, ImportError) and error.name in ("keras_tuner", "kerastuner"):
        words.append(INSTALL_KERAS_TUNER)
    if isinstance(error, ImportError) and str(error.name).partition(".")[0] in PACKAGES:
        words.append(
            f"{', '.join(PACKAGES)} are this service's own packages: yours needs another name."
        )
    return ImportError(" ".join(words))


def _place(error: BaseException) -> str:
    """Return the user's line that raised an error; a syntax error names its own."""
    frames = traceback.extract_tb(own_frames(error.__traceback__))
    if isinstance(error, SyntaxError) or not frames:
        return ""
    in_folder = [frame for frame in frames if Path(frame.filename).is_relative_to(os.getcwd())]
    frame = (in_folder or frames)[-1]
    return f" ({frame.filename}, line {frame.lineno})"


def _is_own(value: object, module_name: str) -> bool:
    """Tell whether something is a function that a module has written, and not imported."""
    return callable(value) and getattr(value, "__module__", None) == module_name
