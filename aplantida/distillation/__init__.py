"""From teachers to soft labels: what one teacher says of every view, and what several say together."""
