"""What tests share: `from support.virtual_time import JumpLoop` (pytest puts `tests` on the path)."""
