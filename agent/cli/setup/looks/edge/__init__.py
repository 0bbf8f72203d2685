"""Where the agent meets the network: what is posted to it, and the certificates it shows and trusts."""
