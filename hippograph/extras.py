"""Optional packages: imported when they are needed, and where they are not there, the command that installs them.

Nobody pays the time it takes to import a library that a call does not use.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from hippograph.errors import MissingExtraError

__all__ = ["import_extra"]


def import_extra(package: str, *, extra: str) -> ModuleType:
    """Import an optional package.

    Parameters
    ----------
    package
        The module's name, which is also the package's, or that of a part of a package that others share.
    extra
        The extra of hippograph that installs it.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message is the command to type.

    Examples
    --------
    >>> import_extra("no_such_package", extra="local")
    Traceback (most recent call last):
    hippograph.errors.MissingExtraError: no_such_package is not installed; type: pip install 'hippograph[local]'
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # A package that is there but lacks one of its own requirements is another fault, with another remedy.
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise
        raise MissingExtraError(package=package, extra=extra) from error
