"""Pages of the Profile tab, e-mail changes and sign-up."""
