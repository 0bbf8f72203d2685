"""What decisions look at behind them: acts and their undoing, and the state of a page that goes along. Pure."""
