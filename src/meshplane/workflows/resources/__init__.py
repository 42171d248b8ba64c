"""Task resources that write to our own store, inside the commit of the transition."""
