"""The CEL library, without the interactive shell that its package brings: the one import of it.

`cel/__init__.py` imports `cel.cli`, and that prompt_toolkit and pygments: six megabytes and a tenth
of a second in every process, for a prompt that nobody opens here.
"""

from __future__ import annotations

import sys
from types import ModuleType

__all__ = ["cel"]

_stand_in = ModuleType("cel.cli")
sys.modules.setdefault(_stand_in.__name__, _stand_in)
try:
    import cel
finally:
    if sys.modules[_stand_in.__name__] is _stand_in:
        del sys.modules[_stand_in.__name__]  # whoever wants the shell can still import it
