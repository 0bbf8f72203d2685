"""What agent and catalogue both need of the machine they run on; knows neither of them."""
