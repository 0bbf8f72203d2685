"""What systems are asked for: a plan for each (pure), one client and one driver; what comes goes into the inbox."""
