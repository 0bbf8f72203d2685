"""What an account may do besides reading, and what takes it back; one file per family of servers."""

OWN_ONE = (
    "where this is Moodle's own account, leave it as it is and make one of the agent's own (`rewards-agent init` prints"
    " the statements); else "
)
"""Before statements that would take from Moodle what Moodle needs."""
