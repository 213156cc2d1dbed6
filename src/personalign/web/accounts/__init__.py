"""Who a visitor is: accounts without e-mail, sessions, roles, API keys, sharing."""
