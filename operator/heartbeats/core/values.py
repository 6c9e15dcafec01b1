"""What frozen values are made of: the one door of the core to msgspec (decision 6).

Structs are made, copied and compared in C. Nothing else of msgspec may be used here:
statuses are read and written field by field (`codec`), never by its decoders.
"""

from msgspec import Struct, field
from msgspec.structs import fields, replace

__all__ = ["Struct", "field", "fields", "replace"]
