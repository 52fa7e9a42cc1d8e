"""Who: the organisation tree, the register, accounts, roles and permissions, consent and requests."""
