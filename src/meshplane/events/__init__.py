"""Events: their payloads, one file per service, and the relay that delivers them.

use case → `call.work.emit(payload.event())` → the same commit as the rows → `Relay` → consumers.
"""
