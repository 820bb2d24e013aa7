"""Equal examples become one."""
