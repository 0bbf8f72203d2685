"""Who pays: budgets for each month, what only a budget may pay for, and how much a campus may issue in a day."""
