"""Pages of the Profile tab, of an e-mail change and of sign-up."""
