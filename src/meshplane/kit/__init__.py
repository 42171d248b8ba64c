"""Pure pieces that every part may use: errors, ids, clock, pages. No I/O."""
