"""General English text that retention is measured on; see LICENSE."""
