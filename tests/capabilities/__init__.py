"""What an administrator can promise a learner, as tables: given these acts, expect these entries and these reasons."""
