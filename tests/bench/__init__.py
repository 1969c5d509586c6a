"""What the watcher costs those it asks: requests, rows and bytes, measured in virtual time."""
