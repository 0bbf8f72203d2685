"""Events that the page's own events bring about: a programme is completed by the act that passes its last course."""
